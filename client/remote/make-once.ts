import { randomInt } from 'node:crypto'
import { HEADERS } from '../../server/wire/headers.js'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { type PutContent, uploadContent } from '../http/upload-content.js'
import { hasCode, RemoteError } from '../remote-error.js'
import { type FileRequests, namePath } from './file-requests.js'
import type { PutOptions, RemoteNew, RemoteNewAttributes } from './remote-files.js'
import { bodyAttributes, successful } from './wire-answer.js'
import { attributeHeaders } from './write-request.js'

/** How something new is made once, though an answer was lost, and others have moved it on or removed it since (docs/retries.md). */

type Marked = RemoteNewAttributes & { readonly atime: string }

/**
 * Something new gets an access time of its own, exact to a random nanosecond: whoever finds a file with it later knows
 * that its own request made the file. Times the caller gave are as telling.
 */
export function creation(attributes: RemoteNewAttributes): Marked {
  if (isMarked(attributes)) return attributes
  const atime = String(BigInt(Date.now()) * 1_000_000n + BigInt(randomInt(1e6)))
  return { ...attributes, atime }
}

function isMarked(attributes: RemoteNewAttributes): attributes is Marked {
  return attributes.atime !== undefined
}

function isOurs(
  there: WireAttributes,
  what: RemoteNew,
  attributes: Marked,
  /** The reserved number the request carried, if any: nobody else's file can have it. */
  ino?: number,
): boolean {
  if (ino !== undefined) return there.ino === ino
  return (
    there.type === what.type &&
    there.atime === attributes.atime &&
    (attributes.mtime === undefined || there.mtime === attributes.mtime) &&
    (what.type !== 'symlink' || there.target === what.target)
  )
}

/** mkdir(2), mknod(2), symlink(2). */
export function makeOnce(
  requests: FileRequests,
  place: Place,
  what: RemoteNew,
  attributes: Marked,
  change?: string,
): Promise<WireAttributes> {
  return namedOnce(requests, place, { ...what, ...attributes }, change, {
    isOurs: (there) => isOurs(there, what, attributes),
    gone: (ino) => removed(ino, what, attributes, 0),
  })
}

/** link(2). */
export function linkOnce(
  requests: FileRequests,
  place: Place,
  ino: number,
  change?: string,
): Promise<WireAttributes> {
  return namedOnce(requests, place, { type: 'link', ino }, change, {
    isOurs: (there) => there.ino === ino,
    gone: (_, error) => {
      throw error
    },
  })
}

interface Place {
  readonly directory: number
  readonly name: string
}

/** Brings a name into a directory. What an earlier attempt has made is known by the name of the change, or told from what somebody else has. */
function namedOnce(
  requests: FileRequests,
  { directory, name }: Place,
  json: object,
  change = requests.nameChange(),
  { isOurs, gone }: { isOurs(there: WireAttributes): boolean; gone: Gone },
): Promise<WireAttributes> {
  // what the server confirms of a name: as a local file system, on its disk with the next fsync(2)
  const headers = { [HEADERS.change]: change, [HEADERS.durability]: 'process' }
  return requests.retry(async (earlier) => {
    if (earlier === 'perhaps done') {
      const ino = await requests.madeIno(directory, change)
      if (ino !== undefined) return await now(requests, ino, gone)
    }
    try {
      const target = namePath(directory, name)
      const answer = await requests.succeed({ method: 'POST', target, headers, json })
      return requests.seen(bodyAttributes(answer), directory, name)
    } catch (error) {
      if (earlier === 'none' || !hasCode(error, 'EEXIST')) throw error
      const there = await requests.lookupOrNone(directory, name)
      if (there === undefined || !isOurs(there)) throw error
      return there
    }
  })
}

/** The name is taken, the number is taken or used up, the directory is gone: by our own earlier attempt, or since. */
const MAY_BE_OURS: ReadonlySet<number> = new Set([400, 404, 409, 410, 412])

/** A new file, or a whole new content. */
export function putOnce(
  requests: FileRequests,
  { directory, name }: Place,
  content: PutContent,
  options: PutOptions,
): Promise<WireAttributes> {
  const ours = creation(options.attributes)
  const creates = options.mode === 'create'
  const what = { type: 'file' } as const
  const { ino } = options
  const upload = uploadContent(content)
  return requests.retry(async (earlier) => {
    const answer = await requests.ask({
      method: 'PUT',
      target: namePath(directory, name),
      headers: {
        'Content-Type': 'application/octet-stream',
        [HEADERS.durability]: options.durability,
        ...(creates ? { 'If-None-Match': '*' } : {}),
        ...(ino === undefined ? {} : { [HEADERS.ino]: String(ino) }),
        ...attributeHeaders(creates ? ours : options.attributes),
      },
      content: upload,
    })
    if (earlier === 'perhaps done' && MAY_BE_OURS.has(answer.status)) {
      const there = await requests.lookupOrNone(directory, name).catch(unlessGone)
      if (there !== undefined && isOurs(there, what, ours, ino)) return there
      // nobody else can have made a file of this number, wherever it is now
      const gone = () => removed(ino ?? 0, what, ours, upload.size)
      const made = ino === undefined ? undefined : await now(requests, ino, gone).catch(unlessGone)
      if (made !== undefined) return made
    }
    if (answer.status === 412 && creates) throw new RemoteError('EEXIST', `"${name}" exists`)
    return requests.seen(bodyAttributes(successful(answer)), directory, name)
  })
}

/** What is to be said of something that was made, and that others have removed since. */
type Gone = (ino: number, error: unknown) => WireAttributes

/** What was made, as it is now. @throws RemoteError ENOENT if there never was such an inode */
async function now(requests: FileRequests, ino: number, gone: Gone): Promise<WireAttributes> {
  try {
    return await requests.stat(ino)
  } catch (error) {
    if (hasCode(error, 'ESTALE')) return gone(ino, error)
    throw error
  }
}

/** As it was made, as far as that is known; nothing can be done with it any more. */
function removed(ino: number, what: RemoteNew, given: Marked, size: number): WireAttributes {
  const { mode = 0, uid = 0, gid = 0, atime, mtime = atime } = given
  const { target } = { target: undefined, ...what }
  return {
    ino,
    type: what.type,
    mode,
    uid,
    gid,
    nlink: 0,
    size: target === undefined ? size : Buffer.byteLength(target),
    rdev: 'rdev' in what ? what.rdev : 0,
    atime,
    mtime,
    ctime: mtime,
    crtime: mtime,
    version: 1,
    generation: 0,
    etag: '"removed"',
    modified_time: new Date(Number(BigInt(mtime) / 1_000_000n)).toISOString(),
    ...(target === undefined ? {} : { target }),
  }
}

function unlessGone(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ESTALE')) throw error
}
