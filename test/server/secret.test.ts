import { existsSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import supertest from 'supertest'
import { makeSecret, WrongSecret } from '../../server/secret.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { SIGNING_IN_MILLISECONDS } from '../support/login.js'
import { ownPort } from '../support/own-port.js'
import { until } from '../support/until.js'
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

  it('is another one where loss of power has left none of it, unless it was in use', async () => {
    for (const left of ['', '\0'.repeat(65)]) {
      const data = await temporaryDirectory('secret')
      const secret = join(data, 'secret')
      writeFileSync(secret, left, { mode: 0o600 })
      const site = await startSite({ data })
      await site.stop()
      expect(readFileSync(secret, 'utf8')).to.match(/^[\w-]{64}\n$/)
      writeFileSync(secret, left)
      const without = await startSite({ data }).catch((error: Error) => error)
      expect(without).to.be.an.instanceOf(WrongSecret)
      expect(readFileSync(secret, 'utf8')).to.equal(left)
      await removeDirectory(data)
    }
  })

  it('is there in one step', async () => {
    const data = await temporaryDirectory('secret')
    const seen: unknown[] = []
    const watcher = watch(data)
    watcher.on('change', (kind, name) => seen.push(`${kind} ${name}`))
    makeSecret(join(data, 'secret'))
    writeFileSync(join(data, 'last'), '')
    await until('all of it is told', async () => seen.includes('rename last'))
    watcher.close()
    expect(seen.filter((event) => String(event).endsWith(' secret'))).to.deep.equal([
      'rename secret',
    ])
    await removeDirectory(data)
  })
})
