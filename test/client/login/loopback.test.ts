import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { expect } from 'chai'
import { openLoopback } from '../../../client/login/loopback.js'

/** TEST-NET-1 (RFC 5737): no machine has it. */
const ABSENT = '192.0.2.1'

/** What a browser asks for once it shows the page. */
async function seen({ redirect_uri }: { readonly redirect_uri: string }): Promise<void> {
  const style = await fetch(new URL('/style.css', redirect_uri))
  expect(style.headers.get('content-type')).to.match(/^text\/css/)
  await style.text()
}

describe('the loopback redirect (RFC 8252 section 7.3)', () => {
  it('is on the next address where the machine lacks the first', async () => {
    const loopback = await openLoopback('state', { addresses: [ABSENT, '127.0.0.1'] })
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
      await seen(loopback)
      await loopback.close()
    }
  })

  it('shows the outcome again to a browser that was sent here twice, by a second click on "Allow"', async () => {
    const loopback = await openLoopback('state', { shownWithin: 60_000 })
    const [first] = await Promise.all([
      fetch(`${loopback.redirect_uri}?state=state&code=first`),
      loopback.response.then(({ answer }) => answer({ title: 'Done', text: '', status: 200 })),
    ])
    expect(await first.text()).to.contain('Done')
    const closed = loopback.close()
    const second = await fetch(`${loopback.redirect_uri}?state=state&code=second`)
    expect(second.status).to.equal(200)
    expect(await second.text()).to.contain('Done')
    expect((await loopback.response).parameters.get('code')).to.equal('first')
    await seen(loopback)
    await closed
  })

  it('fails where there is none', async () => {
    const failed = await openLoopback('state', { addresses: [ABSENT] }).catch(
      (error: unknown) => error,
    )
    expect(failed).to.have.property('code', 'EADDRNOTAVAIL')
  })
})
