import { FileError, PreconditionFailed } from '../../errors.js'
import { STATUS } from '../../wire/errors.js'
import { type Frame, FrameError } from '../../wire/frames.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Answer, Context, Operation } from './operation.js'
import { OPERATIONS } from './operations.js'

/** What POST /batch and a channel have in common: how one operation is carried out, and within which bounds. */

export const MAX_HEADER_BYTES = 64 * 1024
/** Answers wait for durability together, up to here. */
export const GROUP_BYTES = 256 * 1024
/** How long the operations of one batch may keep others waiting. */
export const TURN_MILLISECONDS = 10
export const SKIPPED: Answer = { header: { outcome: 'skipped' } }

/** @throws FrameError when the content is cut off */
export async function perform(
  exchange: Exchange,
  frame: Pick<Context, 'content' | 'length'> & Pick<Frame, 'header'>,
): Promise<Answer> {
  const { tree, storage, origin, mayWrite, locks, fence } = exchange
  try {
    const operation = operationOf(frame.header.op)
    if (operation.access === 'write' && !mayWrite) {
      throw new FileError('EACCES', 'this needs the scope file.write')
    }
    const pause = operation.access === 'write' ? storage.pause() : undefined
    if (pause !== undefined) await pause
    origin.mustBeWanted?.()
    const answer = await operation.run(frame.header, {
      tree,
      origin,
      content: frame.content,
      length: frame.length,
      locks,
      fence,
      mayWrite,
    })
    if (frame.header.durability === 'power') await storage.durable(inoOf(answer))
    return answer
  } catch (error) {
    if (error instanceof FileError || error instanceof PreconditionFailed) {
      if (error instanceof FileError && isOfTheServer(error)) exchange.failed(error)
      return failure('failed', error)
    }
    throw error
  }
}

/** Others are the client's: it is told, and nobody else need know. */
function isOfTheServer({ code }: FileError): boolean {
  return STATUS[code] >= 500 && code !== 'EDQUOT'
}

function inoOf(answer: Answer): number | undefined {
  if ('inode' in answer) return answer.inode.ino
  const { header } = answer
  return header.outcome === 'done' ? header.attributes?.ino : undefined
}

export function hasFailed(answer: Answer): boolean {
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

/** @throws what is not about the frames, such as a connection that went away */
export function broken(error: unknown): FileError {
  if (error instanceof FileError) return error
  if (error instanceof FrameError) {
    return new FileError('EINVAL', `the frames are broken: ${error.message}`, { cause: error })
  }
  throw error
}

export function failure(
  outcome: 'failed' | 'broken',
  error: FileError | PreconditionFailed,
): Answer {
  const { code, message: detail } = error
  const status = error instanceof PreconditionFailed ? { status: 412 as const } : {}
  return { header: { outcome, code, detail, ...status } }
}
