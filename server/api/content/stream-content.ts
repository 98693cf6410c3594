import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ByteRange } from '../../http/range.js'
import type { Content } from '../../storage/storage.js'
import { shortened } from './content-plan.js'

/** Bytes read and written at a time: larger ones cost no less, and two of them are held by every download. */
const PIECE_BYTES = 256 * 1024
/** Pieces that wait for the next download. Fresh memory for each would cost more than reading into it. */
const SPARE_PIECES = 32
const spare: Buffer[] = []

/**
 * Sends bytes of a content, reading the next piece while one is on its way. Sends exactly what Content-Length promised; less
 * would leave the client waiting, so the connection ends instead.
 */
export async function streamContent(
  content: Content,
  { first, last }: ByteRange,
  response: ServerResponse,
): Promise<void> {
  const way = new Way(response)
  let reading = piece(content, first, last)
  try {
    for (let position = first; ; ) {
      const data = await reading
      position += data.length
      const more = position <= last
      if (more) {
        reading = piece(content, position, last)
        // whoever awaits it learns of its failure
        reading.catch(() => {})
      }
      await way.write(data)
      release(data)
      if (!more) break
    }
    response.end()
  } catch (error) {
    response.destroy()
    // nobody may use the content any more when this is over
    await reading.catch(() => {})
    throw error
  } finally {
    way.close()
  }
}

async function piece(content: Content, position: number, last: number): Promise<Buffer> {
  const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES)
  const wanted = buffer.subarray(0, Math.min(PIECE_BYTES, last - position + 1))
  const length = await content.readInto(wanted, position)
  if (length < wanted.length) throw shortened()
  return wanted
}

/** The piece has been read, and what was read has gone out: the memory is nobody's. */
function release({ buffer }: Buffer): void {
  if (spare.length < SPARE_PIECES) spare.push(Buffer.from(buffer, 0, PIECE_BYTES))
}

/** The way to the client: each write ends when its bytes have been handed on, or fails when the connection is gone. */
class Way {
  readonly #response: ServerResponse
  readonly #socket: Socket
  #fail: (error: Error) => void = () => {}
  readonly #gone = () => this.#fail(disconnected())

  constructor(response: ServerResponse) {
    this.#response = response
    this.#socket = response.req.socket
    this.#socket.once('close', this.#gone)
  }

  write(data: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject
      if (this.#socket.destroyed) this.#gone()
      else this.#response.write(data, (error) => (error ? reject(error) : resolve()))
    })
  }

  close(): void {
    this.#socket.off('close', this.#gone)
  }
}

function disconnected(): Error {
  return Object.assign(new Error('the client went away'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
