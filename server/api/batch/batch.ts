import { pipeline } from 'node:stream/promises'
import { FileError } from '../../errors.js'
import { Refusal } from '../../http/refusal.js'
import { BATCH_TYPE, FrameReader } from '../../wire/frames.js'
import { expectedBytes } from '../exchange/answer-bytes.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Held } from '../exchange/held-answers.js'
import { beforehand } from '../input/beforehand.js'
import { content } from '../input/body.js'
import { mediaType } from '../input/json.js'
import { freeSpent } from '../input/spent-buffers.js'
import { type Answer, answerFrame } from './operation.js'
import {
  broken,
  failure,
  GROUP_BYTES,
  hasFailed,
  MAX_HEADER_BYTES,
  perform,
  SKIPPED,
  TURN_MILLISECONDS,
} from './perform.js'

const MAX_OPERATIONS = 10_000

/** POST /batch: many operations, in order, one answer each, streamed both ways. */
export async function batch(exchange: Exchange): Promise<void> {
  const { request, response, limits } = exchange
  if (mediaType(request) !== BATCH_TYPE) {
    throw new Refusal(415, `a batch is sent as ${BATCH_TYPE}`, { Accept: BATCH_TYPE })
  }
  const frames = content(beforehand.batch(exchange), limits.uploadBytes)
  const reader = new FrameReader(frames, MAX_HEADER_BYTES)
  const held = exchange.heldAnswers.open(exchange.tree.owner, request.socket)
  response.once('close', () => held.close())
  const groups = answerGroups(exchange, answers(exchange, reader, held), reader, held)
  // what is wrong from the start is an ordinary error
  const first = await groups.next()
  response.writeHead(200, { 'Content-Type': BATCH_TYPE, 'Cache-Control': 'no-store' })
  if (first.done === true) {
    response.end()
    return
  }
  await pipeline(prepend(first.value, groups), response)
}

/**
 * Operations of a batch that are at hand are done in one turn of the event loop, up to a time after which others have theirs.
 * Whether the token still counts is asked once a turn: what was sent after a revocation had been answered comes in a later one.
 */
class Turns {
  readonly #isLive: () => boolean | Promise<boolean>
  #live: boolean | Promise<boolean> | undefined
  #began = 0

  constructor(isLive: () => boolean | Promise<boolean>) {
    this.#isLive = isLive
  }

  /** Before another operation: whether it may be done. */
  async next(): Promise<boolean> {
    if (this.#live !== undefined && performance.now() - this.#began > TURN_MILLISECONDS) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    return this.#live ?? this.#begin()
  }

  #begin(): boolean | Promise<boolean> {
    const live = this.#isLive()
    this.#live = live
    this.#began = performance.now()
    setImmediate(() => {
      this.#live = undefined
    })
    return live
  }
}

/** Answers that are there have to go out before there can be more. */
const WAITS = Symbol('waits')

/** @throws FileError when the first frame is broken; later that is the last answer */
async function* answers(
  exchange: Exchange,
  reader: FrameReader,
  held: Held,
): AsyncGenerator<Buffer | typeof WAITS> {
  let stopped = false
  const turns = new Turns(exchange.isLive)
  for (let count = 0; ; count++) {
    try {
      const frame = await reader.next()
      if (frame === undefined) return
      if (count === MAX_OPERATIONS) {
        throw new FileError('E2BIG', `a batch has at most ${MAX_OPERATIONS} operations`)
      }
      const expected = expectedBytes(frame.header)
      if (!held.tryTake(expected)) {
        yield WAITS
        await held.take(expected)
      }
      // A batch may stay open for long, also before its first operation: a revoked token is refused on the next one.
      if (!(await turns.next())) {
        throw new FileError('EACCES', 'the access token has expired or was revoked')
      }
      const answer: Answer = stopped ? SKIPPED : await perform(exchange, frame)
      stopped ||= hasFailed(answer) && frame.header.stopOnError === true
      const bytes = answerFrame(answer)
      held.count(bytes.length - expected)
      yield bytes
    } catch (error) {
      const problem = broken(error)
      if (count === 0) throw problem
      const bytes = answerFrame(failure('broken', problem))
      held.count(bytes.length)
      yield bytes
      return
    }
  }
}

/** Joins answers while more operations are at hand; what goes out is as durable as was asked for. */
async function* answerGroups(
  exchange: Exchange,
  source: AsyncIterable<Buffer | typeof WAITS>,
  reader: FrameReader,
  held: Held,
): AsyncGenerator<Buffer> {
  let group: Buffer[] = []
  let size = 0
  async function* settledGroup(): AsyncGenerator<Buffer> {
    await settled(exchange)
    const joined = Buffer.concat(group)
    freeSpent(group)
    group = []
    size = 0
    const { length } = joined
    held.sending()
    // asked for more, the response has handed this on
    yield joined
    held.sent(length)
    if (length >= GROUP_BYTES) freeSpent([joined])
  }
  for await (const frame of source) {
    if (frame !== WAITS) {
      group.push(frame)
      size += frame.length
    }
    if (size >= GROUP_BYTES || !reader.hasMore || frame === WAITS) {
      if (size > 0) yield* settledGroup()
    }
  }
  if (size > 0) yield* settledGroup()
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}
