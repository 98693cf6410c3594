import type { Lock } from '../wire/locks.js'

export interface LockTimes {
  /** A client that has not been heard of for longer loses its locks to whoever wants them. */
  readonly leaseMilliseconds: number
  /** And after this long also if nobody does. */
  readonly forgottenMilliseconds: number
  /** After a restart, how long nobody gets a lock while somebody has not claimed those they had. */
  readonly graceMilliseconds: number
  /** How long a client may take to give back what is recalled: its lease is renewed for no longer than that. */
  readonly recallMilliseconds: number
  /** After a recall, for how long nobody is let decide about that inode alone. */
  readonly contendedMilliseconds: number
}

export const LOCK_TIMES: LockTimes = {
  leaseMilliseconds: 15_000,
  forgottenMilliseconds: 86_400_000,
  graceMilliseconds: 20_000,
  recallMilliseconds: 60_000,
  contendedMilliseconds: 2_000,
}

/** What there was of one user when the server started. */
export interface Before {
  readonly connections: string[]
  /** Leased directories, and by whom. */
  readonly leases: Map<number, string>
  /** Connections that lost their locks, and where they may not write before they have heard of it. */
  readonly fences: Map<string, Set<number>>
}

export interface LockRequest {
  /** By what the client knows it, should it be decided later. */
  readonly request: string
  readonly lock: Lock
  /** For whoever holds it (F_SETLKW), not only until it is known whether somebody does. */
  readonly waits: boolean
  /** The client can decide for itself, should it be let. */
  readonly delegable: boolean
}

export type LockAnswer =
  /** `delegated`: from now on the client decides about this inode, until that is recalled. */
  | { readonly state: 'granted'; readonly delegated: boolean }
  | { readonly state: 'refused'; readonly code: 'EAGAIN' | 'EDEADLK' | 'ENOLCK' }
  /** Decided later: the stream of changes tells, and so does the same request asked again. */
  | { readonly state: 'waiting' }
  /** The server no longer knows what the client holds: it must claim that first. */
  | { readonly state: 'unclaimed' }

/** What a client held of an inode before the server lost it from memory. */
export interface Claim {
  readonly ino: number
  readonly locks: readonly Lock[]
}
