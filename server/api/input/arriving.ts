import type { IncomingMessage } from 'node:http'

/** Once so much waits to be taken, the client has to wait too. */
const GATHERED_BYTES = 256 * 1024
/** Also once it came in so many pieces: of a client that sends single bytes, each takes a hundred times its room. */
const GATHERED_PIECES = 256
/** Pieces smaller than this are worth a copy. */
const SMALL_BYTES = 4096

/**
 * The body of a request as it arrives, all that came in one turn of the event loop at a time: bytes come in pieces of 16 KiB
 * (a record of TLS), or of three where a client likes that, and a step of its own for each costs more than receiving them.
 * Unlike the stream's own iterator, giving up in the middle leaves the connection open for the answer that says why.
 */
export async function* arriving(request: IncomingMessage): AsyncGenerator<readonly Buffer[]> {
  if (request.complete) {
    // By its length: from Node.js 26 on, one piece is given to who does not say how much.
    const all: Buffer | null = request.read(request.readableLength)
    if (all !== null) yield [all]
    return
  }
  const come = new Come(request)
  try {
    for (;;) {
      const pieces = come.take()
      if (pieces.length > 0) yield joined(pieces)
      else if (request.readableEnded) return
      else if (request.destroyed) throw request.errored ?? closed()
      else await come.more()
    }
  } finally {
    come.end()
  }
}

/** What has come and was not taken. */
class Come {
  readonly #request: IncomingMessage
  #pieces: Buffer[] = []
  #size = 0
  #wake: (() => void) | undefined

  constructor(request: IncomingMessage) {
    this.#request = request
    request.on('data', this.#arrived)
    for (const event of ENDS) request.on(event, this.#over)
  }

  take(): readonly Buffer[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#size = 0
    return pieces
  }

  /** Resolves when something has come, at the end of that turn, or when nothing will any more. */
  more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (this.#request.isPaused()) this.#request.resume()
    })
  }

  end(): void {
    this.#request.off('data', this.#arrived)
    for (const event of ENDS) this.#request.off(event, this.#over)
    if (!this.#request.readableEnded) this.#request.pause()
  }

  readonly #arrived = (piece: Buffer): void => {
    this.#pieces.push(piece)
    this.#size += piece.length
    const isMuch = this.#size >= GATHERED_BYTES || this.#pieces.length >= GATHERED_PIECES
    if (isMuch) this.#request.pause()
    const wake = this.#wake
    this.#wake = undefined
    if (wake !== undefined) setImmediate(wake)
  }

  readonly #over = (): void => {
    this.#wake?.()
    this.#wake = undefined
  }
}

const ENDS = ['end', 'error', 'close'] as const

function joined(pieces: readonly Buffer[]): readonly Buffer[] {
  const size = pieces.reduce((sum, { length }) => sum + length, 0)
  return pieces.length > 1 && size / pieces.length < SMALL_BYTES ? [Buffer.concat(pieces)] : pieces
}

function closed(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}
