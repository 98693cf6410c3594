import type { IncomingMessage, ServerResponse } from 'node:http'
import { FileError } from '../../errors.js'
import { field } from '../../http/field.js'
import type { Locks } from '../../locks/locks.js'
import type { StoragePath } from '../../storage/path.js'
import type { Ino, Inode, Origin, Place, Storage, Tree } from '../../storage/storage.js'
import { connectionOf } from '../../wire/connection.js'
import { HEADERS } from '../../wire/headers.js'
import type { HeldAnswers } from './held-answers.js'
import type { Query } from './query.js'
import type { ReprDigests } from './repr-digest.js'
import type { ResumableUploads } from './resumable.js'

/** One request to the tree and the answer it gets, with what both need. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly storage: Storage
  readonly tree: Tree
  /** Where the path starts. */
  readonly from: Ino
  readonly names: StoragePath
  readonly query: Query
  readonly origin: Origin
  /** Whether the token has the scope file.write, where the route itself needs only file.read. */
  readonly mayWrite: boolean
  /** Whether the token that let the request in still counts, for answers that go on for long. */
  readonly isLive: () => boolean | Promise<boolean>
  /** How many streams of changes each user has open. */
  readonly openStreams: Map<string, number>
  /** What each user's channels and batches hold of answers. */
  readonly heldAnswers: HeldAnswers
  readonly locks: Locks
  /** Nothing that comes by a connection of the user, or has come and is not done yet, is done from now on. */
  readonly fence: (connection: string) => void
  readonly digests: ReprDigests
  readonly uploads: ResumableUploads
  /** Which of them the request is about; empty if none. */
  readonly uploadId: string
  readonly durability: 'power' | 'process'
  readonly limits: Limits
  readonly clock: () => Date
}

declare const admitted: unique symbol
/** One that has been to `beforehand`: its content may be read. */
export interface Admitted extends Exchange {
  readonly [admitted]: true
}

/** How much one request may bring. */
export interface Limits {
  /** Bytes of a file's content in one request. */
  readonly uploadBytes: number
  /** Bytes of a JSON body. */
  readonly jsonBytes: number
  /** How often a stream of changes says that it is alive, and makes sure that it still may be. */
  readonly heartbeatMilliseconds: number
  /** How long a resumable upload waits for its client to come again. */
  readonly uploadLifetimeMilliseconds: number
  /** Bytes of answers that all channels and batches of a user hold before they are taken. */
  readonly heldAnswerBytes: number
  /** How long who holds some may take nothing while others of the user wait for room. */
  readonly stalledMilliseconds: number
}

export const DEFAULT_LIMITS: Limits = {
  uploadBytes: Number.MAX_SAFE_INTEGER,
  jsonBytes: 64 * 1024,
  heartbeatMilliseconds: 15_000,
  uploadLifetimeMilliseconds: 24 * 60 * 60 * 1000,
  heldAnswerBytes: 64 * 1024 * 1024,
  stalledMilliseconds: 10_000,
}

export function inodeAt({ tree, from, names }: Exchange): Promise<Inode> {
  return names.length === 0 ? tree.stat(from) : tree.walk(from, names)
}

/** What is there, or undefined if nothing is; a missing parent is an error all the same. */
export async function currentAt(exchange: Exchange): Promise<Inode | undefined> {
  const { tree, from, names } = exchange
  if (names.length === 0) return tree.stat(from)
  const place = await placeAt(exchange)
  return lookup(tree, place)
}

export async function lookup(tree: Tree, { directory, name }: Place): Promise<Inode | undefined> {
  try {
    return await tree.lookup(directory, name)
  } catch (error) {
    if (!(error instanceof FileError && error.code === 'ENOENT')) throw error
    // ENOENT of the name or of the directory: only the first is "nothing is there"
    await tree.stat(directory)
    return undefined
  }
}

/** The name the request is about. @throws FileError EBUSY (the root), EINVAL (an inode without a name) */
export async function placeAt({ tree, from, names }: Exchange): Promise<Place> {
  return placeOf(tree, from, names)
}

export async function placeOf(tree: Tree, from: Ino, names: StoragePath): Promise<Place> {
  const name = names.at(-1)
  if (name === undefined) {
    if (from === tree.root) throw new FileError('EBUSY', 'this cannot be done to the root')
    throw new FileError('EINVAL', 'this needs a name: /inodes/{directory}/{name}')
  }
  if (names.length === 1) return { directory: from, name }
  const parent = await tree.walk(from, names.slice(0, -1))
  return { directory: parent.ino, name }
}

/** What clients name: attempt, change = 1*64( ALPHA / DIGIT / "_" / "-" ) */
export const NAME = /^[A-Za-z0-9_-]{1,64}$/

/** The secret of a connection = 22*64( ALPHA / DIGIT / "_" / "-" ) */
export const CONNECTION_SECRET = /^[A-Za-z0-9_-]{22,64}$/

export function parseOrigin(request: Pick<IncomingMessage, 'headers'>): Origin {
  const secret = field(request.headers, HEADERS.connection)
  if (secret === undefined) return {}
  if (!CONNECTION_SECRET.test(secret)) {
    throw new FileError('EINVAL', `${HEADERS.connection} must be 22 to 64 of A-Z a-z 0-9 _ -`)
  }
  return { connection: connectionOf(secret) }
}

export function parseDurability(request: IncomingMessage): 'power' | 'process' {
  const durability = field(request.headers, HEADERS.durability) ?? 'power'
  if (durability === 'power' || durability === 'process') return durability
  throw new FileError('EINVAL', `${HEADERS.durability} must be power or process`)
}
