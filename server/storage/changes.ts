import type { FileName } from './path.js'

/**
 * The log of one tree's changes. It is kept for a bounded number of changes and days, so a client that was away can
 * catch up, and is told clearly when it cannot.
 */
export interface Changes {
  /** The number of the newest change; 0 before the first. */
  newest(): Promise<number>
  /** The number of the newest change that a connection has not made itself; undefined if none was made since the server started. */
  newestOfOthers(connection: string): number | undefined
  /** What was made by the change that a connection named so, if that is among the newest. */
  newlyMade(connection: string, change: string): Promise<number | undefined>
  /** Any other change that a connection named so, if it was made and is still kept. */
  made(connection: string, change: string): Promise<MadeChange | undefined>
  /** Changes after `seq`, oldest first. @param limit at most this many (1 to 10,000) */
  after(seq: number, limit: number): Promise<ChangePage>
  /** Resolves once there is a change after `seq`; at once if there is one already. Rejects when the signal aborts. */
  wait(seq: number, signal: AbortSignal, own?: OwnChanges): Promise<void>
}

export interface MadeChange {
  /** What it made of its inode, which others may have changed since; not kept of changes that older servers made. */
  readonly version?: number
}

/** Changes that whoever waits has made, and need not be woken for. */
export interface OwnChanges {
  readonly connection: string
  /** One of them was made: all up to this one are known. */
  passed(seq: number): void
}

/** `expired`: some changes after the number are no longer kept, or it is none of this log: start afresh from `newest`. */
export type ChangePage =
  | { readonly kind: 'changes'; readonly changes: readonly Change[]; readonly newest: number }
  | { readonly kind: 'expired'; readonly newest: number }

/** A name in a directory. */
export interface ChangedPlace {
  readonly directory: number
  readonly name: FileName
}

interface Numbered {
  /** Counts up by one within a tree. */
  readonly seq: number
  /** Seconds since the epoch. */
  readonly at: number
  /** The client connection that made it, if it named itself. */
  readonly origin?: string
  readonly ino: number
}

export type Change = Numbered &
  (
    | {
        /** make: a name appeared; remove: a name went. */
        readonly kind: 'make' | 'remove'
        readonly place: ChangedPlace
      }
    | {
        readonly kind: 'rename'
        readonly from: ChangedPlace
        readonly to: ChangedPlace
        /** The inode whose name was replaced, or which was exchanged (it is at `from` now). */
        readonly replaced?: number
        readonly exchanged?: number
      }
    | {
        /** content: bytes and attributes; attributes: those alone, xattrs included. */
        readonly kind: 'content' | 'attributes'
        /** Some name of it; an inode without a name has none. */
        readonly place?: ChangedPlace
      }
  )
