import { HEADERS } from '../../server/wire/headers.js'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { hasCode, RemoteError } from '../remote-error.js'
import { type FileRequests, namePath } from './file-requests.js'
import type { Changed, RemotePart, WriteOptions } from './remote-files.js'
import { headerAttributes, successful } from './wire-answer.js'
import { writeRequest } from './write-request.js'

/**
 * How a change whose answer was lost is told apart from one that never happened, so that no retry reports a false
 * ENOENT, appends twice or swaps back; `make-once.ts` does it for what is new. The whole table is in docs/retries.md.
 */

interface Place {
  readonly directory: number
  readonly name: string
}
interface RenameOptions {
  readonly mode: 'replace' | 'noreplace' | 'exchange'
  readonly keep: boolean
  /** By which the server knows it; the same in each attempt. */
  readonly change?: string
}

export async function renameOnce(
  requests: FileRequests,
  from: Place,
  to: Place,
  options: RenameOptions,
): Promise<WireAttributes | undefined> {
  let known = requests.knownIno(from.directory, from.name)
  // Swapping twice is not swapping at all: here we must know beforehand which one is which.
  if (options.mode === 'exchange') {
    known = (await requests.retry(() => requests.lookup(from.directory, from.name))).ino
  }
  const change = options.change ?? requests.nameChange()
  const target = namePath(from.directory, from.name) + (options.keep ? '?keep' : '')
  const headers = {
    Destination: namePath(to.directory, to.name),
    [HEADERS.change]: change,
    [HEADERS.durability]: 'process',
    ...(options.mode === 'noreplace' ? { Overwrite: 'F' } : {}),
    ...(options.mode === 'exchange' ? { [HEADERS.exchange]: 'T' } : {}),
  }
  const moved = await requests.retry(async (earlier) => {
    if (earlier === 'perhaps done') {
      if (await isMade(requests, to.directory, change)) return undefined
      if (await isRenamed(requests, from, to, known)) return undefined
    }
    const answer = await requests.ask({ method: 'MOVE', target, headers })
    if (answer.status === 412 && options.mode === 'noreplace') {
      throw new RemoteError('EEXIST', `"${to.name}" exists`)
    }
    return headerAttributes(successful(answer))
  })
  requests.unseen(from.directory, from.name)
  requests.unseen(to.directory, to.name)
  // what was moved by an earlier try may have been moved on by others
  if (moved !== undefined && known !== undefined && options.mode !== 'exchange')
    requests.found(to.directory, to.name, known)
  return moved
}

/** Whether the server has noted the change, wherever others have brought since what was moved. */
async function isMade(requests: FileRequests, directory: number, change: string): Promise<boolean> {
  try {
    return (await requests.made(directory, change, 'process')) !== undefined
  } catch (error) {
    // the directory itself is gone
    if (hasCode(error, 'ENOENT', 'ESTALE')) return false
    throw error
  }
}

/** Whether what was at the first place is at the second: known by its number, or else because the first place is empty. */
async function isRenamed(
  requests: FileRequests,
  from: Place,
  to: Place,
  known: number | undefined,
): Promise<boolean> {
  const there = await requests.lookupOrNone(to.directory, to.name)
  if (there === undefined) return false
  if (known !== undefined) return there.ino === known
  return (await requests.lookupOrNone(from.directory, from.name)) === undefined
}

interface Named {
  /** By which the server knows it; the same in each attempt. */
  readonly change?: string | undefined
  readonly durability: WriteOptions['durability']
}

/** A change of what is there. The server remembers its name with it, so that none is made twice, or over what came after it. */
export function changeOnce(
  requests: FileRequests,
  ino: number,
  { change = requests.nameChange(), durability }: Named,
  attempt: (headers: Readonly<Record<string, string>>) => Promise<WireAttributes>,
): Promise<Changed> {
  const headers = { [HEADERS.change]: change, [HEADERS.durability]: durability }
  return requests
    .retry(async (earlier) => {
      const made = earlier === 'none' ? undefined : await requests.made(ino, change, durability)
      return made ?? requests.seenOf(ino, await attempt(headers))
    })
    .catch((error: unknown) => {
      throw isUnanswered(error) ? openError(error, change) : error
    })
}

/** Given up without an answer; `EACCES` comes also from a login that ended while it was tried again. */
function isUnanswered(error: unknown): error is RemoteError {
  return hasCode(error, 'EIO', 'EINTR', 'EACCES')
}

function openError(cause: RemoteError, change: string): RemoteError {
  return new RemoteError(cause.code, cause.message, { cause, change })
}

export async function writeOnce(
  requests: FileRequests,
  ino: number,
  parts: readonly RemotePart[],
  options: WriteOptions,
): Promise<Changed> {
  const some = parts.filter((part) => part.data.length > 0)
  if (some.length === 0 && options.attributes === undefined) {
    return requests.retry(() => requests.stat(ino))
  }
  const request = writeRequest(ino, some, options)
  return changeOnce(requests, ino, options, async (headers) => {
    const named = { ...request, headers: { ...request.headers, ...headers } }
    return headerAttributes(await requests.succeed(named))
  })
}
