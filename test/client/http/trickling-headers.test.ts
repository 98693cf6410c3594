import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import { expect } from 'chai'
import { type Client, httpClient } from '../../../client/http/api.js'
import { startServer, type TestServer } from '../../support/server.js'

describe('an answer whose header fields trickle without end', function () {
  this.timeout(60_000)

  let server: TestServer
  let trickling: Server
  let client: Client
  let url: URL

  before(async () => {
    server = await startServer()
    const tls = (name: string) => readFile(join(server.data, 'tls', name), 'utf8')
    const options = { cert: await tls('server.pem'), key: await tls('server-key.pem') }
    trickling = createServer(options, (socket) => {
      socket.on('error', () => {})
      socket.write('HTTP/1.1 200 OK\r\nSlow: ')
      const more = setInterval(() => socket.write('x'), 50)
      socket.once('close', () => clearInterval(more))
    })
    trickling.listen(0, '127.0.0.1')
    await once(trickling, 'listening')
    url = new URL(`https://localhost:${(trickling.address() as AddressInfo).port}/batch`)
    const headers = async () => ({})
    client = httpClient({
      trust: { kind: 'authority', pem: server.ca },
      credentials: { headers, renewed: headers },
      silenceMilliseconds: 500,
    })
  })
  after(async () => {
    client?.close()
    trickling?.close()
    await server?.remove()
  })

  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'none',
      (error: unknown) => error,
    )

  it('is no answer to a request', async () => {
    const error = await failure(client.send({ method: 'GET', url, limit: 1000 }))
    expect(error).to.have.property('kind', 'lost')
  })

  it('is none to a long one', async () => {
    const content = Buffer.alloc(256 << 10)
    const error = await failure(client.send({ method: 'PUT', url, content, limit: 1000 }))
    expect(error).to.have.property('kind', 'lost')
  })

  it('is none to a batch', async () => {
    const { answer, write } = await client.duplex({ method: 'POST', url }, () => true)
    write(Buffer.from('x'))
    const error = await failure(answer[Symbol.asyncIterator]().next())
    expect(error).to.have.property('kind', 'lost')
  })

  it('is none to a channel', async () => {
    const receiver = { isWaiting: () => true, came: () => {}, over: () => {} }
    const error = await failure(client.upgrade({ url }, receiver))
    expect(error).to.have.property('kind', 'unreachable')
  })
})
