import {
  encodeFrame,
  FrameError,
  FrameQueue,
  MAX_FRAME_HEADER_BYTES,
  type QueuedFrame,
} from '../../server/wire/frames.js'
import type { WireOperation, WireResult } from '../../server/wire/operations.js'
import { Declined, ExchangeError } from '../http/exchange.js'
import type { FrameConnection, FrameReceiver, OpenFrames } from '../http/frame-connection.js'
import { RemoteError } from '../remote-error.js'
import type { Meter } from './meter.js'

/** What an operation of POST /batch answered. */
export interface Reply {
  readonly result: WireResult
  readonly content: Buffer
}

/** The longest content a channel carries either way: what is longer would keep others waiting. */
export const CHANNEL_BYTES = 256 << 10
/** Content of an answer; a few times what is asked for. */
const MOST_CONTENT_BYTES = 1 << 20
const CHANNELS = 4

interface Waiting {
  readonly began: number
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/** Counts operations and the time that their answers take. */
export type ChannelMeter = Pick<Meter, 'begin' | 'took' | 'failed'>

/** One connection for frames that stays open for a while: operations go out as they come, and their answers come back in order. */
class Channel implements FrameReceiver, ChosenChannel {
  readonly #waiting: Waiting[] = []
  readonly #unsent: Buffer[] = []
  readonly #answers = new FrameQueue(MAX_FRAME_HEADER_BYTES, MOST_CONTENT_BYTES)
  readonly #began: number
  readonly #now: () => number
  readonly #meter: ChannelMeter
  readonly #lost: () => void
  #connection: FrameConnection | undefined
  #until = Number.POSITIVE_INFINITY
  #operations = 0
  #most = Number.POSITIVE_INFINITY
  #isOver = false
  #isUsed = true
  #idle: NodeJS.Timeout | undefined

  /** @param lost told when the connection broke: others may be dead as well */
  constructor(open: OpenFrames, now: () => number, meter: ChannelMeter, lost: () => void) {
    this.#now = now
    this.#meter = meter
    this.#lost = lost
    this.#began = now()
    open(this).then(
      (connection) => this.#opened(connection),
      (error) => this.#fail(error, 'unreachable'),
    )
  }

  get load(): number {
    return this.#waiting.length
  }

  get isOver(): boolean {
    return this.#isOver
  }

  isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  ask(operation: WireOperation, content?: Buffer): Promise<Reply> {
    this.#isUsed = true
    this.#operations += 1
    const began = this.#meter.begin()
    const frame = encodeFrame(operation, content)
    const reply = new Promise<Reply>((resolve, reject) => {
      this.#waiting.push({ began, resolve, reject })
      if (this.#connection === undefined) this.#unsent.push(frame)
      else this.#connection.write(frame)
    })
    if (this.#operations >= this.#most || this.#now() >= this.#until) this.finish()
    return reply
  }

  close(): void {
    this.finish()
    if (this.#waiting.length > 0) this.#connection?.destroy()
  }

  /** Takes no more operations; those under way are answered. */
  finish(): void {
    this.#isOver = true
    clearInterval(this.#idle)
    if (this.#waiting.length === 0) this.#connection?.end()
  }

  #opened(connection: FrameConnection): void {
    this.#connection = connection
    const { bounds } = connection
    this.#until = this.#began + bounds.lifeMilliseconds
    this.#most = bounds.operations
    for (const frame of this.#unsent.splice(0)) connection.write(frame)
    if (this.#isOver) {
      if (this.#waiting.length === 0) connection.end()
      return
    }
    // One timer for all operations: after a while without any.
    this.#idle = setInterval(() => {
      if (!this.#isUsed && this.#waiting.length === 0) this.finish()
      this.#isUsed = false
    }, bounds.idleMilliseconds).unref()
  }

  came(data: Buffer): void {
    this.#answers.push(data)
    try {
      for (let frame = this.#answers.next(); frame !== undefined; frame = this.#answers.next()) {
        this.#answered(frame)
      }
    } catch (error) {
      this.over(error)
    }
  }

  over(error: unknown): void {
    this.#fail(error, 'lost')
  }

  #answered({ header, content }: QueuedFrame): void {
    if (header.outcome === 'closing') {
      this.finish()
      return
    }
    if (content === undefined) throw new FrameError('an answer has more content than was asked for')
    const result = header as unknown as WireResult
    const asked = this.#waiting.shift()
    if (asked !== undefined) {
      this.#meter.took(asked.began)
      asked.resolve({ result, content })
    }
    if (result.outcome === 'broken') {
      throw new Declined(`the batch ended before this: ${result.detail}`)
    }
    // Or one that came twice: what comes next would be taken for the answer to something else.
    if (asked === undefined) throw new FrameError('an answer came that nobody asked for')
    if (this.#isOver && this.#waiting.length === 0) this.#connection?.end()
  }

  #fail(error: unknown, kind: 'lost' | 'unreachable'): void {
    const isUnforeseen = !this.#isOver
    this.#isOver = true
    clearInterval(this.#idle)
    this.#connection?.destroy()
    // A login that is over, say, is so however often it is tried.
    const known =
      error instanceof ExchangeError || error instanceof RemoteError
        ? error
        : new ExchangeError(kind, 'the batch broke', { cause: error })
    for (const { reject } of this.#waiting.splice(0)) {
      this.#meter.failed()
      reject(known)
    }
    if (isUnforeseen && known instanceof ExchangeError && known.kind === 'lost') this.#lost()
  }
}

/** One of them: what is asked of it is carried out in that order. */
export interface ChosenChannel {
  /** It takes no more operations. */
  readonly isOver: boolean
  /** As `Channels.ask`. */
  ask(operation: WireOperation, content?: Buffer): Promise<Reply>
}

const CLOSED: ChosenChannel = {
  isOver: true,
  ask: () => Promise.reject(new ExchangeError('unreachable', 'it is over')),
}

/** A few channels; an operation goes where it waits for nobody, if there is such a one. */
export class Channels {
  readonly #open: OpenFrames
  readonly #now: () => number
  readonly #meter: ChannelMeter
  #channels: Channel[] = []
  #isClosed = false

  constructor(open: OpenFrames, now: () => number, meter: ChannelMeter) {
    this.#meter = meter
    this.#open = open
    this.#now = now
  }

  /** Opens one ahead: who asks first need not wait for it. */
  prepare(): void {
    this.#best()
  }

  /**
   * @throws ExchangeError if there is no answer: `unreachable` if the server cannot have carried it out; RemoteError if nothing can be
   * asked with this login
   */
  ask(operation: WireOperation, content?: Buffer): Promise<Reply> {
    return this.choose().ask(operation, content)
  }

  /** The one that the next operation goes to. */
  choose(): ChosenChannel {
    return this.#isClosed ? CLOSED : this.#best()
  }

  #best(): Channel {
    let best: Channel | undefined
    for (let at = this.#channels.length - 1; at >= 0; at--) {
      const channel = this.#channels[at]
      if (channel === undefined || channel.isOver) this.#channels.splice(at, 1)
      else if (best === undefined || channel.load <= best.load) best = channel
    }
    if (best === undefined || (best.load > 0 && this.#channels.length < CHANNELS)) {
      best = new Channel(this.#open, this.#now, this.#meter, () => this.forgetIdle())
      this.#channels.push(best)
    }
    return best
  }

  /** Those on which nothing is under way may be dead. */
  forgetIdle(): void {
    for (const channel of this.#channels) if (channel.load === 0) channel.finish()
  }

  close(): void {
    this.#isClosed = true
    for (const channel of this.#channels) channel.close()
  }
}
