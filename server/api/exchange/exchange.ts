import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FileError } from '../../errors.js'
import type { Locks } from '../../locks/locks.js'
import type { StoragePath } from '../../storage/path.js'
import type { Ino, Origin, Storage, Tree } from '../../storage/storage.js'
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
  /** One operation of many has failed for a reason of the server's own, which its owner is to know. */
  readonly failed: (error: FileError) => void
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
