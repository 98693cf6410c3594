import type { TLSSocket } from 'node:tls'
import { AnswerParser } from './answer-parser.js'
import { type Answer, type Exchange, ExchangeError } from './exchange.js'
import type { LentBuffers } from './lent-buffers.js'
import type { Uploading } from './uploading.js'

/** field-vchar, SP and HTAB (RFC 9110 section 5.5); nothing that ends a line. */
const LINE = /^[\t\x20-\x7e\x80-\xff]*$/

/** What a connection takes at once: as much as a slow one carries within seconds. */
const SLICE_BYTES = 512 << 10

interface Waiting {
  readonly parser: AnswerParser
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** One connection, one exchange at a time; the bytes of an answer are copied once, and no stream stands between. */
export class BulkConnection {
  readonly origin: string
  readonly #socket: TLSSocket
  readonly #buffers: LentBuffers
  readonly #uploading: Uploading
  #waiting: Waiting | undefined
  #isReusable = true
  #isSent = true
  /** Of the content under way. */
  #taken = 0
  readonly #silenceMilliseconds: number

  /** @param silenceMilliseconds nothing moving for this long during an exchange, the connection is dead */
  constructor(
    origin: string,
    socket: TLSSocket,
    buffers: LentBuffers,
    silenceMilliseconds: number,
    uploading: Uploading,
  ) {
    this.origin = origin
    this.#socket = socket
    this.#buffers = buffers
    this.#uploading = uploading
    this.#silenceMilliseconds = silenceMilliseconds
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
    socket.setTimeout(silenceMilliseconds, () => {
      if (this.#waiting !== undefined) this.#fellSilent()
    })
  }

  /** It may carry another exchange. */
  get isOpen(): boolean {
    return this.#isReusable && !this.#socket.destroyed && this.#socket.writable
  }

  /** Reading goes on, after a pause. */
  goOn(): void {
    this.#socket.resume()
  }

  /** What the socket has read; the memory is used again. */
  received(bytes: Buffer): void {
    const waiting = this.#waiting
    try {
      if (waiting === undefined) throw new Error('an answer came that nobody asked for')
      const answer = waiting.parser.take(bytes)
      if (answer === undefined) return
      this.#waiting = undefined
      if (answer.headers.connection?.toLowerCase() === 'close') this.close()
      waiting.resolve(answer)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** @throws ExchangeError `lost`, `oversized`, `aborted` */
  async send({ method, url, headers, content, limit, signal }: Exchange): Promise<Answer> {
    const fields = Object.entries({ Host: url.host, ...headers, ...lengthOf(content) })
    const lines = fields.map(([name, value]) => `${name}: ${value}`)
    const head = [`${method} ${url.pathname}${url.search} HTTP/1.1`, ...lines]
    if (head.some((line) => !LINE.test(line)))
      throw new TypeError('a header has control characters')
    const parser = new AnswerParser(this.#buffers, limit)
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting = { parser, resolve, reject }
    })
    const abort = () => this.#fail(new ExchangeError('aborted', 'given up by the caller'))
    signal?.addEventListener('abort', abort, { once: true })
    let late: NodeJS.Timeout | undefined
    const sent = async (): Promise<void> => {
      await this.#send(`${head.join('\r\n')}\r\n\r\n`, content)
      if (this.#waiting?.parser !== parser) return
      // Fields that trickle without end are silence, too.
      late = setTimeout(() => {
        if (!parser.hasHead) this.#fellSilent()
      }, this.#silenceMilliseconds)
    }
    sent().catch((error) => this.#fail(error))
    try {
      const whole = await answer
      // An answer before the end of the content: the rest of it is not going to be read.
      if (!this.#isSent) this.close()
      return whole
    } catch (error) {
      parser.abandon()
      throw error
    } finally {
      clearTimeout(late)
      signal?.removeEventListener('abort', abort)
      this.#uploading.bytes -= this.#taken
      this.#taken = 0
    }
  }

  close(): void {
    this.#isReusable = false
    this.#socket.destroy()
  }

  async #send(head: string, content: Exchange['content']): Promise<void> {
    this.#isSent = false
    await this.#write(Buffer.from(head, 'latin1'))
    if (Buffer.isBuffer(content)) await this.#upload(content)
    else if (content !== undefined) {
      for await (const piece of content.open()) await this.#upload(piece)
    }
    this.#isSent = true
  }

  async #upload(piece: Buffer): Promise<void> {
    for (let start = 0; start < piece.length; start += SLICE_BYTES) {
      const slice = piece.subarray(start, start + SLICE_BYTES)
      await this.#write(slice)
      if (this.#waiting === undefined) return // it is answered before its end
      this.#taken += slice.length
      this.#uploading.bytes += slice.length
    }
  }

  /** One piece at a time: Node joins what waits, and copies it for that. */
  #write(data: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(data, (error) => (error ? reject(error) : resolve()))
    })
  }

  #fellSilent(): void {
    this.#socket.destroy(new Error('the connection fell silent'))
  }

  #fail(error: unknown): void {
    this.close()
    const waiting = this.#waiting
    this.#waiting = undefined
    if (error instanceof ExchangeError) waiting?.reject(error)
    else waiting?.reject(new ExchangeError('lost', String(error), { cause: error }))
  }
}

function lengthOf(content: Exchange['content']): Record<string, string> {
  if (content === undefined) return {}
  return { 'Content-Length': String(Buffer.isBuffer(content) ? content.length : content.size) }
}
