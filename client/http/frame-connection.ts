import type { Duplex } from './duplex.js'
import { ExchangeError } from './exchange.js'

/** What carries the frames of a channel there and back. */
export interface FrameConnection {
  write(data: Buffer): void
  /** Nothing more is sent, and nothing is waited for. */
  end(): void
  /** Gives up what is under way. */
  destroy(): void
  readonly bounds: ChannelBounds
}

/** For how long, and how much, one channel is used before there is another. */
export interface ChannelBounds {
  readonly lifeMilliseconds: number
  readonly idleMilliseconds: number
  readonly operations: number
}

/** Who uses it. */
export interface FrameReceiver {
  /** Only then silence means that the connection is dead. */
  isWaiting(): boolean
  came(data: Buffer): void
  /** There is no more; once. */
  over(error: unknown): void
}

/** @throws ExchangeError if there is no connection: the server has seen nothing */
export type OpenFrames = (receiver: FrameReceiver) => Promise<FrameConnection>

/** The server, or something before it, does not upgrade the connection. */
export class NotUpgraded extends ExchangeError {
  constructor(message: string, options?: ErrorOptions) {
    super('unreachable', message, options)
  }
}

/** After this another upgrade is tried. */
const REFUSED_MILLISECONDS = 60_000
/** Ahead of what servers and proxies allow a request, and fewer operations than the server takes in one batch. */
const BATCH_BOUNDS: ChannelBounds = {
  lifeMilliseconds: 10_000,
  idleMilliseconds: 1_000,
  operations: 5_000,
}

/** The bare connection where the server and all before it upgrade to that, a POST /batch that stays open elsewhere. */
export function upgradedOrPosted(
  upgrade: OpenFrames,
  post: OpenFrames,
  now: () => number,
): OpenFrames {
  let refusedUntil = Number.NEGATIVE_INFINITY
  return async (receiver) => {
    if (now() < refusedUntil) return post(receiver)
    try {
      return await upgrade(receiver)
    } catch (error) {
      if (!(error instanceof NotUpgraded)) throw error
      refusedUntil = now() + REFUSED_MILLISECONDS
      return post(receiver)
    }
  }
}

/** Frames as content of one request and of its answer. */
export function posted(duplex: Duplex, receiver: FrameReceiver): FrameConnection {
  void receive(duplex, receiver)
  return {
    write: (data) => duplex.write(data),
    end: () => duplex.end(),
    destroy: () => duplex.destroy(),
    bounds: BATCH_BOUNDS,
  }
}

async function receive({ answer }: Duplex, receiver: FrameReceiver): Promise<void> {
  try {
    for await (const data of answer) receiver.came(data)
    receiver.over(new ExchangeError('lost', 'the server ended the batch early'))
  } catch (error) {
    receiver.over(error)
  }
}
