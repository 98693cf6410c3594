import { once } from 'node:events'
import http from 'node:http'
import type { Socket } from 'node:net'
import { CHANNEL_PROTOCOL, encodeFrame, FrameReader } from '../../../server/wire/frames.js'
import type { FileServer } from './file-server.js'

export type Request = [operation: object, content?: string | Buffer]
export type Result = Record<string, unknown> & { content?: string }

export function encode(requests: readonly Request[]): Buffer {
  return Buffer.concat(
    requests.map(([operation, content]) =>
      encodeFrame(operation, content === undefined ? undefined : Buffer.from(content)),
    ),
  )
}

/** The frames of a body or of a connection, up to its end. */
export async function results(source: AsyncIterable<Buffer>): Promise<Result[]> {
  const reader = new FrameReader(source)
  const all: Result[] = []
  for (let next = await result(reader); next !== undefined; next = await result(reader)) {
    all.push(next)
  }
  return all
}

export async function result(reader: FrameReader): Promise<Result | undefined> {
  const frame = await reader.next()
  if (frame === undefined) return undefined
  const chunks: Buffer[] = []
  for await (const chunk of frame.content) chunks.push(chunk)
  const content = Buffer.concat(chunks).toString()
  return { ...frame.header, ...(frame.length > 0 && { content }) }
}

export interface TestChannel {
  readonly socket: Socket
  readonly reader: FrameReader
  readonly answer: http.IncomingMessage
}

/** @throws the answer, if it is another one than 101 */
export async function openChannel(
  { port }: Pick<FileServer, 'port'>,
  headers: http.OutgoingHttpHeaders = {},
): Promise<TestChannel> {
  const fields = { Connection: 'Upgrade', Upgrade: CHANNEL_PROTOCOL, ...headers }
  const request = http.request({ port, host: '127.0.0.1', path: '/batch', headers: fields })
  request.end()
  const refused = once(request, 'response').then(([answer]) => {
    answer.resume()
    throw answer
  })
  refused.catch(() => {})
  const [answer, socket, head] = await Promise.race([once(request, 'upgrade'), refused])
  socket.allowHalfOpen = true
  if (head.length > 0) socket.unshift(head)
  return { socket, reader: new FrameReader(socket), answer }
}
