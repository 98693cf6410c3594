import type { Context } from '../fuse/filesystem.js'
import type { Soon } from '../fuse/soon.js'
import { hasCode, RemoteError } from '../remote-error.js'

/** Refuses an operation without asking the server. */
export function refusal(code: RemoteError['code'], message: string, cause?: unknown): RemoteError {
  return new RemoteError(code, message, cause === undefined ? undefined : { cause })
}

/**
 * Whether the same request may succeed later: no answer within the limit, or a dead login that the user may revive. Then
 * what was to be written is kept and tried again.
 */
export function isTransient(error: unknown): boolean {
  return !(error instanceof RemoteError) || ['EIO', 'EACCES', 'EINTR', 'EBUSY'].includes(error.code)
}

/** An inode asked for by number that the server no longer knows is stale for the kernel, which then looks up its name again. */
export function byNumber(error: unknown): unknown {
  if (!hasCode(error, 'ENOENT')) return error
  return new RemoteError('ESTALE', 'the file is gone from the server', { cause: error })
}

/** How long an operation may take before it is ended with its program. */
const PATIENCE_MILLISECONDS = 1000

/**
 * Ends the waiting, not the work: EINTR when the program was told to end. Programs get signals all the time, and few expect
 * EINTR from a file; so only an operation that is stuck ends.
 */
export function unlessInterrupted<T>(work: Soon<T>, context: Context): Soon<T> {
  return work instanceof Promise ? patiently(work, context) : work
}

function patiently<T>(work: Promise<T>, context: Context): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(refusal('EINTR', 'interrupted while waiting for the server'))
    const timer = setTimeout(() => {
      if (context.signal.aborted) stop()
      else context.signal.addEventListener('abort', stop, { once: true })
    }, PATIENCE_MILLISECONDS)
    work.then(
      (result) => {
        clearTimeout(timer)
        resolve(result)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

/** For what is asked by number. @throws ESTALE where the server says ENOENT */
export async function orStale<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw byNumber(error)
  }
}
