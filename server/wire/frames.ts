/**
 * Frames of POST /batch, the same both ways: the length of a JSON header (4 bytes, big-endian), the header in UTF-8, and as
 * many bytes of content as its `length` says (none if it says nothing). A leaf module: it imports nothing of ours.
 */

export const BATCH_TYPE = 'application/vnd.coffer.batch'
/**
 * What `Upgrade` names for the same frames over the bare connection (RFC 9110 section 7.8). Its number goes up with every change that
 * an older client or an older server would not understand, of operations, fields of HTTP or events: this is how they find out.
 */
export const CHANNEL_PROTOCOL = 'coffer-channel/2'
/** A header is a few hundred bytes, but a page of a directory is one header too. */
export const MAX_FRAME_HEADER_BYTES = 16 * 1024 * 1024
const PREFIX_BYTES = 4

/** What came is no sequence of frames. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

export interface Frame {
  /** Parsed JSON: an object, its shape unchecked. */
  readonly header: Readonly<Record<string, unknown>>
  /** Bytes of content. */
  readonly length: number
  /** The content as it comes; what is not read is skipped before the next frame. */
  readonly content: AsyncIterable<Buffer>
}

/** One frame to send. `header` must not have a `length` of its own. */
export function encodeFrame(header: object, content?: Buffer): Buffer {
  const length = content?.length ?? 0
  return frameOf(JSON.stringify(length === 0 ? header : { ...header, length }), content)
}

/** A frame whose header is JSON already, with the right `length` if there is content. */
export function frameOf(json: string, content?: Buffer): Buffer {
  const header = Buffer.byteLength(json)
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + header + (content?.length ?? 0))
  frame.writeUInt32BE(header)
  frame.write(json, PREFIX_BYTES)
  content?.copy(frame, PREFIX_BYTES + header)
  return frame
}

/** Takes frames off a stream of bytes, holding no more than one header and what came last. */
export class FrameReader {
  readonly #source: AsyncIterator<Buffer>
  readonly #maxHeaderBytes: number
  #buffered: Buffer = Buffer.alloc(0)
  #contentLeft = 0

  constructor(source: AsyncIterable<Buffer>, maxHeaderBytes = MAX_FRAME_HEADER_BYTES) {
    this.#source = source[Symbol.asyncIterator]()
    this.#maxHeaderBytes = maxHeaderBytes
  }

  /** Whether the next frame has come at least in part, so that `next` is not going to wait long. */
  get hasMore(): boolean {
    return this.#buffered.length > this.#contentLeft
  }

  /** @returns undefined at the end. @throws FrameError */
  async next(): Promise<Frame | undefined> {
    if (this.#contentLeft > 0) await this.#skip()
    if (this.#buffered.length < PREFIX_BYTES && !(await this.#fill(PREFIX_BYTES))) {
      if (this.#buffered.length > 0) throw cutOff()
      return undefined
    }
    const headerLength = this.#buffered.readUInt32BE()
    if (headerLength > this.#maxHeaderBytes) {
      throw new FrameError(`a header has more than ${this.#maxHeaderBytes} bytes`)
    }
    this.#take(PREFIX_BYTES)
    if (this.#buffered.length < headerLength && !(await this.#fill(headerLength))) throw cutOff()
    const header = parseHeader(this.#take(headerLength))
    const length = contentLength(header)
    this.#contentLeft = length
    return { header, length, content: this.#content() }
  }

  /** What nobody wanted to read. */
  async #skip(): Promise<void> {
    for await (const _ of this.#content()) {
      // dropped
    }
  }

  async *#content(): AsyncGenerator<Buffer> {
    while (this.#contentLeft > 0) {
      if (!(await this.#fill(1))) throw cutOff()
      const piece = this.#take(Math.min(this.#contentLeft, this.#buffered.length))
      this.#contentLeft -= piece.length
      yield piece
    }
  }

  /** @returns false if the source ends first */
  async #fill(bytes: number): Promise<boolean> {
    if (this.#buffered.length >= bytes) return true
    const chunks = this.#buffered.length === 0 ? [] : [this.#buffered]
    let size = this.#buffered.length
    let ended = false
    while (size < bytes && !ended) {
      const { done, value } = await this.#source.next()
      if (done === true) ended = true
      else {
        chunks.push(value)
        size += value.length
      }
    }
    const [only = this.#buffered, ...more] = chunks
    this.#buffered = more.length === 0 ? only : Buffer.concat(chunks)
    return size >= bytes
  }

  #take(bytes: number): Buffer {
    const taken = this.#buffered.subarray(0, bytes)
    this.#buffered = this.#buffered.subarray(bytes)
    return taken
  }
}

/** A frame out of a FrameQueue. */
export interface QueuedFrame {
  readonly header: Frame['header']
  readonly length: number
  /** All of it; undefined where it is too long to be held, and to be taken with `some`. */
  readonly content: Buffer | undefined
}

const NOTHING = Buffer.alloc(0)
/**
 * Pieces that are smaller than this are put together once they are so many: of a peer that sends single bytes each would take a
 * hundred times its room. To do that after every few would copy those before again and again.
 */
const PIECE_BYTES = 1024
const MOST_PIECES = 256

/** Takes frames off bytes that are pushed in, as far as they have come: nothing is waited for. */
export class FrameQueue {
  readonly #maxHeaderBytes: number
  readonly #maxContentBytes: number
  #pieces: Buffer[] = []
  #size = 0
  #begun: { readonly header: Frame['header']; readonly length: number } | undefined

  /** @param maxContentBytes longer content is not waited for */
  constructor(maxHeaderBytes: number, maxContentBytes: number) {
    this.#maxHeaderBytes = maxHeaderBytes
    this.#maxContentBytes = maxContentBytes
  }

  /** Bytes that have come and were not taken. */
  get size(): number {
    return this.#size
  }

  /** Whether a frame has come in part. */
  get isInFrame(): boolean {
    return this.#size > 0 || this.#begun !== undefined
  }

  push(data: Buffer): void {
    this.#pieces.push(data)
    this.#size += data.length
    if (this.#pieces.length > MOST_PIECES + this.#size / PIECE_BYTES) this.#joined(this.#size)
  }

  /**
   * @param isLast nothing comes any more: the last frame may lack content
   * @returns undefined until more has come
   * @throws FrameError
   */
  next(isLast = false): QueuedFrame | undefined {
    const begun = this.#begun ?? this.#begin()
    if (begun === undefined) return undefined
    const { header, length } = begun
    if (length > this.#maxContentBytes || (isLast && this.#size < length)) {
      this.#begun = undefined
      return { header, length, content: undefined }
    }
    if (this.#size < length) {
      this.#begun = begun
      return undefined
    }
    this.#begun = undefined
    return { header, length, content: length === 0 ? NOTHING : this.#take(length) }
  }

  /** What has come of a long content. */
  some(most: number): Buffer {
    const [first = NOTHING] = this.#pieces
    return this.#take(Math.min(first.length, most))
  }

  #begin(): { header: Frame['header']; length: number } | undefined {
    if (this.#size < PREFIX_BYTES) return undefined
    const headerLength = this.#joined(PREFIX_BYTES).readUInt32BE()
    if (headerLength > this.#maxHeaderBytes) {
      throw new FrameError(`a header has more than ${this.#maxHeaderBytes} bytes`)
    }
    const end = PREFIX_BYTES + headerLength
    if (this.#size < end) return undefined
    const header = parseHeader(this.#take(end).subarray(PREFIX_BYTES))
    return { header, length: contentLength(header) }
  }

  #take(bytes: number): Buffer {
    const first = this.#joined(bytes)
    this.#size -= bytes
    if (first.length === bytes) {
      this.#pieces.shift()
      return first
    }
    this.#pieces[0] = first.subarray(bytes)
    return first.subarray(0, bytes)
  }

  /** The first piece, made long enough. */
  #joined(bytes: number): Buffer {
    const [first = NOTHING] = this.#pieces
    if (first.length >= bytes) return first
    const all = Buffer.concat(this.#pieces)
    this.#pieces = [all]
    return all
  }
}

function contentLength({ length = 0 }: Readonly<Record<string, unknown>>): number {
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) {
    throw new FrameError('"length" must be a number of bytes')
  }
  return length
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true })

function parseHeader(json: Buffer): Record<string, unknown> {
  let header: unknown
  try {
    header = JSON.parse(UTF_8.decode(json))
  } catch (cause) {
    throw new FrameError('a header must be JSON in UTF-8', { cause })
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new FrameError('a header must be a JSON object')
  }
  return header as Record<string, unknown>
}

function cutOff(): FrameError {
  return new FrameError('the frames end in the middle of one')
}
