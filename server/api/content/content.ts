import { pipeline } from 'node:stream/promises'
import type { Inode } from '../../storage/storage.js'
import type { Exchange } from '../exchange/exchange.js'
import { body, plan, shortened } from './content-plan.js'
import { answerDigested, wantedDigests } from './digested.js'
import { streamContent } from './stream-content.js'

/** Up to here content goes out in one piece: one read, one write, no stream. */
const ONE_PIECE_BYTES = 256 * 1024

/** The bytes of a file, or some of them. */
export async function answerContent(exchange: Exchange, inode: Inode): Promise<void> {
  const { request, response, tree } = exchange
  const wanted = wantedDigests(request)
  if (request.method === 'HEAD' && wanted === undefined) {
    const { status, fields } = plan(exchange, inode)
    response.writeHead(status, fields)
    response.end()
    return
  }
  const content = await tree.open(inode.ino)
  try {
    // what is said about the content is said about the content that was opened
    const planned = plan(exchange, content.inode)
    if (wanted !== undefined) return await answerDigested(exchange, content, planned, wanted)
    const { status, fields, parts } = planned
    const [one, ...more] = parts
    if (one === undefined || request.method === 'HEAD') {
      response.writeHead(status, fields)
      response.end()
      return
    }
    const length = one.last - one.first + 1
    if (more.length > 0) {
      response.writeHead(status, fields)
      await pipeline(body(content, planned), response)
    } else if (length <= ONE_PIECE_BYTES) {
      const data = await content.read(one.first, length)
      if (data.length < length) throw shortened()
      response.writeHead(status, fields)
      response.end(data)
    } else {
      response.writeHead(status, fields)
      await streamContent(content, one, response)
    }
  } finally {
    await content.close()
  }
}
