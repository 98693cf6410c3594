// A file server of Node's own parts and nothing else: no accounts, no tokens, no metadata, no durability. What it costs is what
// TLS and HTTP cost in Node.
//
//   node --import tsx test/bench/bare-server.ts DIRECTORY CERTIFICATE KEY
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

const [directory = '.', certificate = '', key = ''] = process.argv.slice(2)
const SMALL_BYTES = 64 * 1024
const READ_BYTES = 256 * 1024
/** Small files, which it has in memory. */
const contents = new Map<string, Buffer>()

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const name = (request.url ?? '').slice(1)
  if (!/^[a-z]+$/.test(name)) {
    response.writeHead(404).end()
    return
  }
  const path = join(directory, name)
  if (request.method === 'PUT') {
    await pipeline(request, createWriteStream(path))
    contents.delete(name)
    if (statSync(path).size <= SMALL_BYTES) contents.set(name, readFileSync(path))
    response.writeHead(201, { 'Content-Length': 0 }).end()
    return
  }
  const content = contents.get(name)
  if (content !== undefined) {
    response.writeHead(200, { 'Content-Length': content.length })
    response.end(content)
    return
  }
  response.writeHead(200, { 'Content-Length': statSync(path).size })
  await pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), response)
}

const tls = { cert: readFileSync(certificate), key: readFileSync(key), noDelay: true }
const server = createServer(tls, (request, response) => {
  serve(request, response).catch(() => response.destroy())
})
// nginx's own is 75 seconds
server.keepAliveTimeout = 75_000
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`)
})
