import { pipeline } from 'node:stream/promises'
import { FileError, PreconditionFailed } from '../errors.js'
import { Refusal } from '../http/refusal.js'
import { BATCH_TYPE, type Frame, FrameError, FrameReader } from '../wire-frames.js'
import { settled } from './answer.js'
import { type Answer, answerFrame, type Operation } from './batch-operation.js'
import { OPERATIONS } from './batch-operations.js'
import { content } from './body.js'
import type { Exchange } from './exchange.js'
import { mediaType } from './json.js'

const MAX_OPERATIONS = 10_000
const MAX_HEADER_BYTES = 64 * 1024
/** Answers wait for durability together, up to here. */
const GROUP_BYTES = 256 * 1024
/** How long the operations of one batch may keep others waiting. */
const TURN_MILLISECONDS = 10
const SKIPPED: Answer = { header: { outcome: 'skipped' } }

/** POST /batch: many operations, in order, one answer each, streamed both ways. */
export async function batch(exchange: Exchange): Promise<void> {
  const { request, response, limits } = exchange
  if (mediaType(request) !== BATCH_TYPE) {
    throw new Refusal(415, `a batch is sent as ${BATCH_TYPE}`, { Accept: BATCH_TYPE })
  }
  const reader = new FrameReader(content(exchange, limits.uploadBytes), MAX_HEADER_BYTES)
  const groups = answerGroups(exchange, answers(exchange, reader), reader)
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
  readonly #isLive: () => Promise<boolean>
  #live: Promise<boolean> | undefined
  #began = 0

  constructor(isLive: () => Promise<boolean>) {
    this.#isLive = isLive
  }

  /** Before another operation: whether it may be done. */
  async next(): Promise<boolean> {
    if (this.#live !== undefined && performance.now() - this.#began > TURN_MILLISECONDS) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    return this.#live ?? this.#begin()
  }

  #begin(): Promise<boolean> {
    const live = this.#isLive()
    this.#live = live
    this.#began = performance.now()
    setImmediate(() => {
      this.#live = undefined
    })
    return live
  }
}

/** @throws FileError when the first frame is broken; later that is the last answer */
async function* answers(exchange: Exchange, reader: FrameReader): AsyncGenerator<Answer> {
  let stopped = false
  const turns = new Turns(exchange.isLive)
  for (let count = 0; ; count++) {
    try {
      const frame = await reader.next()
      if (frame === undefined) return
      if (count === MAX_OPERATIONS) {
        throw new FileError('E2BIG', `a batch has at most ${MAX_OPERATIONS} operations`)
      }
      // A batch may stay open for long, also before its first operation: a revoked token is refused on the next one.
      if (!(await turns.next())) {
        throw new FileError('EACCES', 'the access token has expired or was revoked')
      }
      const answer: Answer = stopped ? SKIPPED : await perform(exchange, frame)
      stopped ||= hasFailed(answer) && frame.header.stopOnError === true
      yield answer
    } catch (error) {
      const problem = broken(error)
      if (count === 0) throw problem
      yield failure('broken', problem)
      return
    }
  }
}

/** @throws FrameError when the content is cut off */
async function perform(exchange: Exchange, frame: Frame): Promise<Answer> {
  const { tree, storage, origin, mayWrite, locks } = exchange
  try {
    const operation = operationOf(frame.header.op)
    if (operation.access === 'write' && !mayWrite) {
      throw new FileError('EACCES', 'this needs the scope file.write')
    }
    const answer = await operation.run(frame.header, {
      tree,
      origin,
      content: frame.content,
      length: frame.length,
      locks,
      mayWrite,
    })
    if (frame.header.durability === 'power') await storage.durable(inoOf(answer))
    return answer
  } catch (error) {
    if (error instanceof FileError || error instanceof PreconditionFailed) {
      return failure('failed', error)
    }
    throw error
  }
}

function inoOf(answer: Answer): number | undefined {
  if ('inode' in answer) return answer.inode.ino
  const { header } = answer
  return header.outcome === 'done' ? header.attributes?.ino : undefined
}

function hasFailed(answer: Answer): boolean {
  return 'header' in answer && answer.header.outcome === 'failed'
}

function operationOf(op: unknown): Operation {
  if (typeof op !== 'string' || !isOperation(op)) {
    throw new FileError('EINVAL', `"op" must be one of ${Object.keys(OPERATIONS).join(', ')}`)
  }
  return OPERATIONS[op]
}

function isOperation(op: string): op is keyof typeof OPERATIONS {
  return Object.hasOwn(OPERATIONS, op)
}

/** Joins answers while more operations are at hand; what goes out is as durable as was asked for. */
async function* answerGroups(
  exchange: Exchange,
  source: AsyncIterable<Answer>,
  reader: FrameReader,
): AsyncGenerator<Buffer> {
  let group: Buffer[] = []
  let size = 0
  async function settledGroup(): Promise<Buffer> {
    await settled(exchange)
    const joined = Buffer.concat(group)
    group = []
    size = 0
    return joined
  }
  for await (const answer of source) {
    const frame = answerFrame(answer)
    group.push(frame)
    size += frame.length
    if (size >= GROUP_BYTES || !reader.hasMore) yield settledGroup()
  }
  if (size > 0) yield settledGroup()
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}

/** @throws what is not about the frames, such as a connection that went away */
function broken(error: unknown): FileError {
  if (error instanceof FileError) return error
  if (error instanceof FrameError) {
    return new FileError('EINVAL', `the frames are broken: ${error.message}`, { cause: error })
  }
  throw error
}

function failure(outcome: 'failed' | 'broken', error: FileError | PreconditionFailed): Answer {
  const { code, message: detail } = error
  const status = error instanceof PreconditionFailed ? { status: 412 as const } : {}
  return { header: { outcome, code, detail, ...status } }
}
