import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { until } from './until.js'

/** Gives a request all of whose content, sent in these chunks, is here before anybody reads it. */
export async function withWholeRequest(
  pieces: readonly string[],
  use: (request: IncomingMessage) => Promise<void>,
): Promise<void> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  try {
    const chunks = pieces.map((piece) => `${piece.length}\r\n${piece}\r\n`).join('')
    socket.write(
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    )
    const [request] = (await once(server, 'request')) as [IncomingMessage]
    await until('all is here', async () => request.complete)
    await use(request)
  } finally {
    socket.destroy()
    server.close()
  }
}
