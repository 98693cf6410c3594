import type { WireOperation, WireResult } from '../server/wire.js'
import { encodeFrame, FrameReader } from '../server/wire-frames.js'
import type { Duplex } from './duplex.js'
import { ExchangeError } from './exchange.js'

/** What an operation of POST /batch answered. */
export interface Reply {
  readonly result: WireResult
  readonly content: Buffer
}

/** The longest content a channel carries either way: what is longer would keep others waiting. */
export const CHANNEL_BYTES = 256 << 10
/** Fewer than the server takes in one batch. */
const MOST_OPERATIONS = 5_000
/** Ahead of what servers and proxies allow a request, and of a token's end. */
const LIFE_MILLISECONDS = 10_000
const IDLE_MILLISECONDS = 1_000
const CHANNELS = 4

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/** One POST /batch that stays open for a while: operations go out as they come, and their answers come back in order. */
class Channel {
  readonly #waiting: Waiting[] = []
  readonly #unsent: Buffer[] = []
  readonly #until: number
  readonly #now: () => number
  #duplex: Duplex | undefined
  #operations = 0
  #isOver = false
  #idle: NodeJS.Timeout | undefined

  constructor(open: (isWaiting: () => boolean) => Promise<Duplex>, now: () => number) {
    this.#now = now
    this.#until = now() + LIFE_MILLISECONDS
    void this.#run(open)
  }

  get load(): number {
    return this.#waiting.length
  }

  get isOver(): boolean {
    return this.#isOver
  }

  ask(operation: WireOperation, content: Buffer | undefined): Promise<Reply> {
    const reply = this.#send(operation, content)
    this.#finishInTime()
    return reply
  }

  /** They stay together: the channel does not end between them. */
  askInOrder(operations: readonly WireOperation[]): Promise<Reply>[] {
    const replies = operations.map((operation) => this.#send(operation, undefined))
    this.#finishInTime()
    return replies
  }

  #send(operation: WireOperation, content: Buffer | undefined): Promise<Reply> {
    clearTimeout(this.#idle)
    this.#operations += 1
    const reply = new Promise<Reply>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    const frame = encodeFrame(operation, content)
    if (this.#duplex === undefined) this.#unsent.push(frame)
    else this.#duplex.write(frame)
    return reply
  }

  #finishInTime(): void {
    if (this.#operations >= MOST_OPERATIONS || this.#now() >= this.#until) this.#finish()
  }

  close(): void {
    this.#finish()
    if (this.#waiting.length > 0) this.#duplex?.destroy()
  }

  /** Takes no more operations; those under way are answered. */
  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#idle)
    this.#duplex?.end()
  }

  async #run(open: (isWaiting: () => boolean) => Promise<Duplex>): Promise<void> {
    let isOpened = false
    try {
      const opened = await open(() => this.#waiting.length > 0)
      isOpened = true
      this.#duplex = opened
      for (const frame of this.#unsent.splice(0)) opened.write(frame)
      if (this.#isOver) opened.end()
      const frames = new FrameReader(opened.answer)
      for (let frame = await frames.next(); frame !== undefined; frame = await frames.next()) {
        const pieces: Buffer[] = []
        if (frame.length > 0) for await (const piece of frame.content) pieces.push(piece)
        const result = frame.header as unknown as WireResult
        this.#answered(result, pieces)
        if (result.outcome === 'broken') {
          throw new ExchangeError('unreachable', `the batch ended before this: ${result.detail}`)
        }
      }
      this.#fail(new ExchangeError('lost', 'the server ended the batch early'))
    } catch (error) {
      const isKnown = error instanceof ExchangeError
      const kind = isOpened ? 'lost' : 'unreachable'
      this.#fail(isKnown ? error : new ExchangeError(kind, 'the batch broke', { cause: error }))
    }
  }

  #answered(result: WireResult, pieces: readonly Buffer[]): void {
    const next = this.#waiting.shift()
    const [only] = pieces
    const content = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
    next?.resolve({ result, content })
    if (this.#waiting.length > 0 || this.#isOver) return
    this.#idle = setTimeout(() => this.#finish(), IDLE_MILLISECONDS)
    this.#idle.unref()
  }

  #fail(error: unknown): void {
    this.#isOver = true
    clearTimeout(this.#idle)
    this.#duplex?.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** A few channels; an operation goes where it waits for nobody, if there is such a one. */
export class Channels {
  readonly #open: (isWaiting: () => boolean) => Promise<Duplex>
  readonly #now: () => number
  #channels: Channel[] = []

  constructor(open: (isWaiting: () => boolean) => Promise<Duplex>, now: () => number) {
    this.#open = open
    this.#now = now
  }

  /** @throws ExchangeError if there is no answer: `unreachable` if the server cannot have carried it out */
  ask(operation: WireOperation, content?: Buffer): Promise<Reply> {
    return this.#best().ask(operation, content)
  }

  /** Operations that are carried out one after another. */
  askInOrder(operations: readonly WireOperation[]): Promise<Reply>[] {
    return this.#best().askInOrder(operations)
  }

  #best(): Channel {
    this.#channels = this.#channels.filter((channel) => !channel.isOver)
    let best: Channel | undefined
    for (const channel of this.#channels) {
      if (best === undefined || channel.load < best.load) best = channel
    }
    if (best === undefined || (best.load > 0 && this.#channels.length < CHANNELS)) {
      best = new Channel(this.#open, this.#now)
      this.#channels.push(best)
    }
    return best
  }

  close(): void {
    for (const channel of this.#channels) channel.close()
  }
}
