import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import { type Running, startSite } from '../running.js'

/** More than the buffers of two sockets take: what is left of it is still the server's while nobody reads. */
const MUCH = 8 * 1024 * 1024
/** Several records of TLS, which the server reads at once. */
const SOME = 60_000

describe('a request that comes while the answer before it is on its way', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let site: Running
  let socket: TLSSocket
  let authorized: string
  before(async () => {
    site = await startSite()
    const { access_token } = await site.tokens()
    authorized = `Host: localhost\r\nAuthorization: Bearer ${access_token}\r\n`
    const { hostname, port } = new URL(site.issuer)
    socket = connect({ host: hostname, port: Number(port), ca: site.ca })
    await once(socket, 'secureConnect')
  })
  after(async () => {
    socket.destroy()
    await site.remove()
  })

  const send = (start: string, body = '') =>
    void socket.write(
      `${start} HTTP/1.1\r\n${authorized}Content-Length: ${body.length}\r\n\r\n${body}`,
    )

  let come: Buffer = Buffer.alloc(0)
  /** Until there are so many bytes. */
  async function more(least: number): Promise<void> {
    const pieces = [come]
    for (let size = come.length; size < least; ) {
      const data = once(socket, 'data', { signal: AbortSignal.timeout(20_000) })
      socket.resume()
      const [piece]: Buffer[] = await data
      socket.pause()
      pieces.push(piece ?? Buffer.alloc(0))
      size += piece?.length ?? 0
    }
    come = Buffer.concat(pieces)
  }

  async function answer(): Promise<{ readonly status: number; readonly body: Buffer }> {
    while (!come.includes('\r\n\r\n')) await more(come.length + 1)
    const start = come.indexOf('\r\n\r\n') + 4
    const head = come.toString('latin1', 0, start)
    const end = start + Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
    await more(end)
    const body = come.subarray(start, end)
    come = come.subarray(end)
    return { status: Number(head.split(' ')[1]), body }
  }

  it('is carried out whole, although its body is in records of its own', async () => {
    send('PUT /files/much', 'm'.repeat(MUCH))
    expect((await answer()).status).to.equal(201)
    for (const [round, status] of [
      ['a', 201],
      ['b', 200],
    ] as const) {
      send('GET /files/much')
      await more(1)
      send('PUT /files/some', round.repeat(SOME))
      send('GET /files/some')
      const { body } = await answer()
      expect(body.equals(Buffer.alloc(MUCH, 'm'))).to.equal(true)
      expect((await answer()).status).to.equal(status)
      expect((await answer()).body.toString()).to.equal(round.repeat(SOME))
    }
  })
})
