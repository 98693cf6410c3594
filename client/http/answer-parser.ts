import type { IncomingHttpHeaders } from 'node:http'
import { type Answer, ExchangeError } from './exchange.js'
import type { LentBuffers } from './lent-buffers.js'

const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')
const MOST_HEAD_BYTES = 64 << 10
/** status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 section 4) */
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: .*)?$/
/** field-line = field-name ":" OWS field-value OWS (RFC 9112 section 5) */
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?$/

type State =
  | { readonly kind: 'head' }
  | { readonly kind: 'counted'; readonly answer: Answer; filled: number }
  | { readonly kind: 'chunk size' | 'chunk end' | 'trailer'; readonly answer: Answer }
  | { readonly kind: 'chunk'; readonly answer: Answer; left: number }

/** One answer of HTTP/1.1 (RFC 9112), read from bytes as they come into memory that is used again. */
export class AnswerParser {
  readonly #buffers: LentBuffers
  readonly #limit: number
  #state: State = { kind: 'head' }
  /** What has come of a head or a line. */
  #begun: Buffer = Buffer.alloc(0)
  /** The bytes of chunks, together: of a server that sends single ones each would take a hundred times its room. */
  #chunks: Buffer = Buffer.alloc(0)
  #chunked = 0

  constructor(buffers: LentBuffers, limit: number) {
    this.#buffers = buffers
    this.#limit = limit
  }

  get hasHead(): boolean {
    return this.#state.kind !== 'head'
  }

  /**
   * Takes bytes in; they may be overwritten afterwards.
   * @returns the answer once it is whole
   * @throws ExchangeError `oversized`; `lost` for what is no HTTP, or more than one answer
   */
  take(bytes: Buffer): Answer | undefined {
    for (let rest = bytes; ; ) {
      const state = this.#state
      switch (state.kind) {
        case 'counted': {
          const { body } = state.answer
          if (rest.length > body.length - state.filled) throw nonsense('more came than announced')
          state.filled += rest.copy(body, state.filled)
          return state.filled === body.length ? state.answer : undefined
        }
        case 'chunk': {
          if (rest.length === 0) return undefined
          const piece = rest.subarray(0, state.left)
          this.#gather(piece)
          state.left -= piece.length
          rest = rest.subarray(piece.length)
          if (state.left === 0) this.#state = { kind: 'chunk end', answer: state.answer }
          break
        }
        default: {
          const found = this.#upTo(rest, state.kind === 'head' ? HEAD_END : LINE_END)
          if (found === undefined) return undefined
          rest = found.rest
          const whole = this.#line(state, found.text)
          if (whole === undefined) break
          if (rest.length > 0) throw nonsense('more came than announced')
          return whole
        }
      }
    }
  }

  /** Gives back what memory an answer that will not become whole has taken. */
  abandon(): void {
    if (this.#state.kind === 'counted') this.#state.answer.release?.()
  }

  #gather(piece: Buffer): void {
    const length = this.#chunked + piece.length
    if (length > this.#limit) throw oversized(this.#limit)
    if (length > this.#chunks.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#limit, 2 * length))
      this.#chunks.copy(larger, 0, 0, this.#chunked)
      this.#chunks = larger
    }
    piece.copy(this.#chunks, this.#chunked)
    this.#chunked = length
  }

  #upTo(bytes: Buffer, end: Buffer): { text: string; rest: Buffer } | undefined {
    // Chunks may be short, and many in what has come: it is copied only where it is to be kept.
    const begun = this.#begun.length === 0 ? bytes : Buffer.concat([this.#begun, bytes])
    const at = begun.indexOf(end)
    if (at > MOST_HEAD_BYTES || (at === -1 && begun.length > MOST_HEAD_BYTES)) {
      throw nonsense('a header is too long')
    }
    if (at === -1) {
      this.#begun = begun === bytes ? Buffer.from(bytes) : begun
      return undefined
    }
    this.#begun = Buffer.alloc(0)
    return { text: begun.toString('latin1', 0, at), rest: begun.subarray(at + end.length) }
  }

  /** @returns the answer if it ends here */
  #line(state: Exclude<State, { kind: 'counted' | 'chunk' }>, text: string): Answer | undefined {
    switch (state.kind) {
      case 'head':
        return this.#head(text)
      case 'chunk size': {
        const size = CHUNK_SIZE.exec(text)?.[1]
        if (size === undefined) throw nonsense('a chunk has no size')
        const left = Number.parseInt(size, 16)
        const { answer } = state
        this.#state = left === 0 ? { kind: 'trailer', answer } : { kind: 'chunk', answer, left }
        return undefined
      }
      case 'chunk end':
        if (text !== '') throw nonsense('a chunk is longer than announced')
        this.#state = { kind: 'chunk size', answer: state.answer }
        return undefined
      case 'trailer':
        return text === ''
          ? { ...state.answer, body: this.#chunks.subarray(0, this.#chunked) }
          : undefined
    }
  }

  #head(text: string): Answer | undefined {
    const [first = '', ...lines] = text.split('\r\n')
    const status = Number(STATUS_LINE.exec(first)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) throw nonsense('no status line')
    // Interim answers (RFC 9110 section 15.2): the final one follows.
    if (status < 200) return undefined
    const headers = fields(lines)
    const empty = { status, headers, body: Buffer.alloc(0) }
    const length = headers['content-length']
    if (status === 204 || status === 304) return empty
    if (headers['transfer-encoding'] !== undefined) {
      if (headers['transfer-encoding'].toLowerCase() !== 'chunked') throw nonsense('a coding')
      this.#state = { kind: 'chunk size', answer: empty }
      return undefined
    }
    if (length === undefined || !/^\d{1,15}$/.test(length)) throw nonsense('no length')
    if (Number(length) > this.#limit) throw oversized(this.#limit)
    if (Number(length) === 0) return empty
    const { data, release } = this.#buffers.take(Number(length))
    const answer = { ...empty, body: data, ...(release === undefined ? {} : { release }) }
    this.#state = { kind: 'counted', answer, filled: 0 }
    return undefined
  }
}

/** Names in small letters; of a name that comes twice the first value counts, as Node has it for most. */
function fields(lines: readonly string[]): IncomingHttpHeaders {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, name, value] = FIELD_LINE.exec(line) ?? []
    if (name === undefined || value === undefined) throw nonsense('a line that is no field')
    headers[name.toLowerCase()] ??= value
  }
  return headers
}

function nonsense(what: string): ExchangeError {
  return new ExchangeError('lost', `the answer is no HTTP as it was asked for: ${what}`)
}

function oversized(limit: number): ExchangeError {
  return new ExchangeError('oversized', `more than ${limit} bytes came`)
}
