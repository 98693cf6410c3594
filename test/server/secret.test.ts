import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import supertest from 'supertest'
import { WrongSecret } from '../../server/secret.js'
import { SIGNING_IN_MILLISECONDS } from '../support/login.js'
import { ownPort } from '../support/own-port.js'
import { startSite } from './running.js'

describe('the secret of a data directory', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  it('is needed to serve it, unless that is lost', async () => {
    const port = { COFFER_PORT: String(await ownPort()) }
    const site = await startSite({ environment: port })
    const { data } = site
    const { access_token } = await site.tokens()
    await site.stop()
    const environment = { ...port, COFFER_SECRET: 'another secret, which is long enough' }
    const failure = await startSite({ data, environment }).then(
      () => 'started',
      (error: Error) => error.message,
    )
    expect(failure).to.contain('COFFER_SECRET').and.contain('--accept-secret-change')
    expect(failure).to.not.contain('another secret')
    const accepted = await startSite({ data, environment, flags: { acceptSecretChange: true } })
    const files = supertest.agent(accepted.issuer, { ca: accepted.ca }).get('/files/')
    expect((await files.auth(access_token, { type: 'bearer' })).status).to.equal(401)
    expect((await accepted.tokens()).access_token).to.be.a('string')
    await accepted.stop()
    const settled = await startSite({ data, environment })
    await settled.stop()
    const secret = join(data, 'secret')
    rmSync(secret)
    const without = await startSite({ data, environment: port }).catch((error: Error) => error)
    expect(without).to.be.an.instanceOf(WrongSecret)
    expect(existsSync(secret)).to.equal(false)
    const anew = { data, environment: port, flags: { acceptSecretChange: true } }
    await (await startSite(anew)).stop()
    expect(existsSync(secret)).to.equal(true)
    await site.remove()
  })
})
