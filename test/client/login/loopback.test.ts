import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { expect } from 'chai'
import { openLoopback } from '../../../client/login/loopback.js'

/** TEST-NET-1 (RFC 5737): no machine has it. */
const ABSENT = '192.0.2.1'

describe('the loopback redirect (RFC 8252 section 7.3)', () => {
  it('is on the next address where the machine lacks the first', async () => {
    const loopback = await openLoopback('state', [ABSENT, '127.0.0.1'])
    try {
      expect(loopback.redirect_uri).to.match(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
      const response = await fetch(`${loopback.redirect_uri}?state=other`)
      expect(response.status).to.equal(400)
    } finally {
      await loopback.close()
    }
  })

  it('turns away what is no address, and waits on', async () => {
    const loopback = await openLoopback('state')
    try {
      // fetch would make an address of it
      const asked = get({ port: new URL(loopback.redirect_uri).port, path: '//' })
      const [{ statusCode }] = (await once(asked, 'response')) as [IncomingMessage]
      expect(statusCode).to.equal(404)
      const [{ parameters }] = await Promise.all([
        loopback.response,
        fetch(`${loopback.redirect_uri}?state=state`).then((page) => page.text()),
        loopback.response.then(({ answer }) => answer({ title: '', text: '', status: 200 })),
      ])
      expect(parameters.get('state')).to.equal('state')
    } finally {
      await loopback.close()
    }
  })

  it('fails where there is none', async () => {
    const failed = await openLoopback('state', [ABSENT]).catch((error: unknown) => error)
    expect(failed).to.have.property('code', 'EADDRNOTAVAIL')
  })
})
