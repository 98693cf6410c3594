/** Operations of POST /batch and of a channel, and what they answer. A leaf module: it imports nothing but types of other leaves. */

import type {
  WireAttributeChanges,
  WireAttributes,
  WireEntry,
  WirePlace,
  WireTime,
} from './inodes.js'
import type { Lock, LockRange, WireClaim, WireLease, WireLockAnswer } from './locks.js'

/** Attributes of something new; the defaults are those of PUT and POST. */
export interface WireNewAttributes {
  mode?: number
  uid?: number
  gid?: number
  atime?: WireTime
  mtime?: WireTime
  /** A reserved inode number. */
  ino?: number
}

export type WireNew =
  | { type: 'file' | 'directory' | 'fifo' | 'socket' }
  | { type: 'symlink'; target: string }
  | { type: 'chardev' | 'blockdev'; rdev: number }

/** A place in a file. */
export interface WirePosition {
  ino: number
  offset: number
}

/** Like If-Match (RFC 9110 section 13.1.1) of what is replaced or changed; of a rename, of what is renamed. */
export interface WireCondition {
  /** "*" or entity tags, such as the `etag` of the attributes. */
  ifMatch?: string
}

/** As `Coffer-Change` of a request. */
export interface WireNamed {
  change?: string
}

/**
 * The operations of POST /batch: the header of a request frame is one of these. `put`, `write` and `setXattr` are
 * followed by the frame's content.
 */
export type WireOperation = (
  | { op: 'root' }
  /** With `names`, what they lead to from `ino`. */
  | { op: 'stat'; ino: number; names?: string[] }
  | { op: 'lookup'; directory: number; name: string }
  | { op: 'list'; directory: number; after?: string; limit?: number }
  /** Content from `offset` (0) on, at most `bytes` (up to 4 MiB, which is also the default). */
  | { op: 'read'; ino: number; offset?: number; bytes?: number }
  /** Whole files (up to 256), in order, as many as fit into `bytes` (up to 4 MiB, which is also the default). */
  | { op: 'readAll'; inos: number[]; bytes?: number }
  | ({
      op: 'put'
      place: WirePlace
      mode: 'create' | 'replace'
      attributes?: WireNewAttributes
    } & WireCondition)
  | ({
      op: 'write'
      ino: number
      offset: number | 'append'
      changes?: WireAttributeChanges
    } & WireCondition &
      WireNamed)
  /** The content is application/vnd.coffer.ranges: pieces, each with its offset. */
  | ({ op: 'writeRanges'; ino: number; changes?: WireAttributeChanges } & WireCondition & WireNamed)
  /** lseek(2): where data, or a hole, begins. */
  | { op: 'seek'; ino: number; offset: number; what: 'data' | 'hole' }
  /** fallocate(2): a range becomes zeros, whose room is freed where it can be. */
  | ({
      op: 'zero'
      ino: number
      offset: number
      bytes: number
      extend?: boolean
    } & WireCondition &
      WireNamed)
  /** copy_file_range(2); the condition is about `to`. */
  | ({
      op: 'copyRange'
      from: WirePosition
      to: WirePosition
      bytes: number
    } & WireCondition &
      WireNamed)
  | ({
      op: 'make'
      place: WirePlace
      what: WireNew
      attributes?: WireNewAttributes
      /** Asked for as soon as it is made, with the right to decide. */
      lock?: { request: string; lock: Lock }
    } & WireNamed)
  /** A file that has no name until `link` gives it one. */
  | { op: 'makeNameless'; directory: number; attributes?: WireNewAttributes }
  | ({ op: 'link'; ino: number; place: WirePlace } & WireNamed)
  | ({
      op: 'remove'
      place: WirePlace
      kind: 'unlink' | 'rmdir' | 'either'
      keep?: boolean
    } & WireCondition)
  /** Removals (up to 256) one after another; nothing of them is kept. */
  | { op: 'removeAll'; removals: { place: WirePlace; kind: 'unlink' | 'rmdir' | 'either' }[] }
  | { op: 'release'; ino: number }
  | ({
      op: 'rename'
      from: WirePlace
      to: WirePlace
      mode: 'replace' | 'noreplace' | 'exchange'
      keep?: boolean
    } & WireCondition &
      WireNamed)
  | ({ op: 'setAttributes'; ino: number; changes: WireAttributeChanges } & WireCondition &
      WireNamed)
  | { op: 'getXattr'; ino: number; name: string }
  | { op: 'listXattrs'; ino: number }
  | { op: 'setXattr'; ino: number; name: string; mode: 'create' | 'replace' | 'either' }
  | { op: 'removeXattr'; ino: number; name: string }
  /** Needs a connection that named itself. `request` is by what the client knows it, should it be decided later. */
  | { op: 'lock'; ino: number; request: string; lock: Lock; wait?: boolean; delegable?: boolean }
  | { op: 'unlock'; ino: number; range: LockRange }
  | { op: 'testLock'; ino: number; lock: Lock }
  | { op: 'cancelLock'; ino: number; request: string }
  /** The client decides no longer by itself; these are the locks of its programs. */
  | { op: 'returnLocks'; ino: number; locks: Lock[] }
  | { op: 'renewLocks' }
  | { op: 'claimLocks'; claims: WireClaim[]; last: boolean; run?: string }
  | { op: 'endLocks' }
  /** Of the connection that the secret names (`connectionOf`), whose process has ended: nothing of it is done any more. */
  | { op: 'fence'; secret: string; locks: 'keep' | 'end' }
) & {
  /** If this fails, what follows is not done (its answers are `skipped`). */
  stopOnError?: boolean
  /** The answer waits until this operation, and all there is of the inode's content, survives loss of power. */
  durability?: 'power'
}

/** One file of `readAll`: so many bytes of the content, or the reason why there are none. */
export type WireContent = { attributes: WireAttributes; bytes: number } | { code: string }

/** What became of one of the removals of `removeAll`: the inode as it was left, or why it still stands. */
export type WireRemoved = { attributes: WireAttributes } | { code: string; detail: string }

/**
 * The header of an answer frame; one for each operation, in order. Content follows `read`, `readAll` and `getXattr`. `broken` is the last
 * answer: the request could not be read further.
 */
export type WireResult =
  | {
      outcome: 'done'
      attributes?: WireAttributes
      /** Of `make`, `link` and `rename`, which may be a lock: the newest change that this connection has not made, to be heard of first. */
      others?: number
      entries?: WireEntry[]
      /** Of `readAll`: what the content is made of, as far as it goes. */
      contents?: WireContent[]
      /** Of `removeAll`: of each. */
      removed?: WireRemoved[]
      /** With `entries`: there are more after the last. */
      more?: boolean
      names?: string[]
      /** Of `seek`; absent if there is none before the end (ENXIO). */
      offset?: number
      /** Of `copyRange`: how many bytes it were. */
      copied?: number
      lock?: WireLockAnswer
      lease?: WireLease
      /** Of `claimLocks`: inodes whose locks are lost. */
      lost?: number[]
    }
  | {
      outcome: 'failed' | 'broken'
      code: string
      detail: string
      /** `ifMatch` does not hold: it is no longer what the client saw. */
      status?: 412
    }
  | { outcome: 'skipped' }
