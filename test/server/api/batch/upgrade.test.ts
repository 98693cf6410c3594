import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { CHANNEL_PROTOCOL, encodeFrame } from '../../../../server/wire/frames.js'
import { type FileServer, startFileServer } from '../file-server.js'

/** More than lies between a server and a client that does not read. */
const LONG = Buffer.alloc(16_000_000, 'long')
const CONTENT = 'x'.repeat(100_000)

const request = (line: string, ...fields: string[]) =>
  `${[`${line} HTTP/1.1`, 'Host: localhost', ...fields].join('\r\n')}\r\n\r\n`
const LONG_ANSWER = request('GET /files/long')
const upgrade = (line: string, protocol: string, ...fields: string[]) =>
  request(line, 'Connection: Upgrade', `Upgrade: ${protocol}`, ...fields)

/** A client that reads as far as it wants to, and no further. */
class Reader {
  readonly socket: Socket
  readonly #ended = new AbortController()
  #come = ''

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.once('end', () => this.#ended.abort())
  }

  /** What comes up to the end of this, or so many bytes. */
  async upTo(wanted: RegExp | number): Promise<string> {
    for (;;) {
      const length = typeof wanted === 'number' ? wanted : this.#endOf(wanted)
      if (length !== undefined && this.#come.length >= length) {
        const text = this.#come.slice(0, length)
        this.#come = this.#come.slice(length)
        return text
      }
      const piece = this.socket.read()
      if (piece === null) await once(this.socket, 'readable', { signal: this.#ended.signal })
      else this.#come += piece.toString('latin1')
    }
  }

  #endOf(wanted: RegExp): number | undefined {
    const found = wanted.exec(this.#come)
    return found === null ? undefined : found.index + found[0].length
  }
}

const HEAD = /^HTTP\/1\.1 .*?\r\n\r\n/s

describe('a request with Upgrade behind answers that are still going out', () => {
  let server: FileServer
  let reader: Reader
  /** The server's side of the connection with a long answer. */
  let answering: Socket | undefined
  const asked = (message: unknown) => {
    const { request, socket } = message as { request: IncomingMessage; socket: Socket }
    if (request.method === 'GET') answering ??= socket
  }
  beforeEach(async () => {
    server = await startFileServer()
    await server.send('PUT', '/files/long', { body: LONG })
    answering = undefined
    subscribe('http.server.request.start', asked)
    reader = new Reader(server.port)
  })
  afterEach(async () => {
    unsubscribe('http.server.request.start', asked)
    reader.socket.destroy()
    await server.close()
  })

  /** It comes in one piece with another one, while the client takes nothing; then the other's answer begins. */
  async function behindAnswers(text: string): Promise<void> {
    reader.socket.write(LONG_ANSWER)
    await reader.upTo(HEAD)
    await stuck()
    reader.socket.write(LONG_ANSWER + text)
    await reader.upTo(LONG.length)
    await reader.upTo(HEAD)
  }
  /** The server can send no more to the client that asked first. */
  async function stuck(): Promise<void> {
    for (let turns = 0, sent = 0; turns < 20; turns += 1) {
      await taken()
      const now = answering?.bytesWritten ?? 0
      if (answering?.writableNeedDrain !== true || now > sent) turns = 0
      sent = now
    }
  }
  /** The server has taken from its connections what was sent before. */
  const taken = () => server.send('HEAD', '/files')

  it('loses nothing of its content', async () => {
    const length = `Content-Length: ${CONTENT.length}`
    await behindAnswers(upgrade('PUT /files/new', 'h2c', length) + CONTENT.slice(0, 10))
    reader.socket.write(CONTENT.slice(10))
    await taken()
    await reader.upTo(LONG.length)
    expect(await reader.upTo(HEAD)).to.match(/^HTTP\/1\.1 201 /)
    expect((await server.send('GET', '/files/new')).body.toString() === CONTENT).to.equal(true)
  })

  it('loses nothing of its frames', async () => {
    await behindAnswers(upgrade('GET /batch', CHANNEL_PROTOCOL))
    reader.socket.write(encodeFrame({ op: 'root' }))
    await taken()
    await reader.upTo(LONG.length)
    expect(await reader.upTo(HEAD)).to.match(/^HTTP\/1\.1 101 /)
    await reader.upTo(/"outcome":"done"/)
  })
})
