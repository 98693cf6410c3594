/** What server/ and client/ agree on. A leaf module: it imports nothing but types of another leaf. */

import type { Lock, LockRange, WireClaim, WireLease, WireLockAnswer } from './wire-locks.js'

/** The errno names the API answers with, and the HTTP status each is sent with. */
export const STATUS = {
  EINVAL: 400,
  EISDIR: 400,
  ENOTEMPTY: 400,
  ENAMETOOLONG: 400,
  EILSEQ: 400,
  ELOOP: 400,
  ERANGE: 400,
  EPERM: 403,
  EACCES: 403,
  EROFS: 403,
  ENOENT: 404,
  ENODATA: 404,
  EEXIST: 409,
  ENOTDIR: 409,
  EMLINK: 409,
  EBUSY: 409,
  EAGAIN: 409,
  EDEADLK: 409,
  ESTALE: 410,
  EFBIG: 413,
  E2BIG: 413,
  ENOTSUP: 501,
  EIO: 500,
  ENOSPC: 507,
  EDQUOT: 507,
  ENOLCK: 507,
} as const
export type FileErrorCode = keyof typeof STATUS

/** Types of inode(7), spelled as `X-File-Type` and the JSON attributes spell them. */
export const FILE_TYPES = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'socket',
  'chardev',
  'blockdev',
] as const
export type FileType = (typeof FILE_TYPES)[number]

/** Nanoseconds since the epoch as a decimal string: exact, where a JSON number is not beyond 2^53. */
export type WireTime = string

/** Every attribute of an inode, as JSON carries it. */
export interface WireAttributes {
  ino: number
  type: FileType
  /** Permission bits only (07777). */
  mode: number
  uid: number
  gid: number
  nlink: number
  /** Bytes; exact up to 2^53 - 1. */
  size: number
  /** Bytes it takes on the disk, of a file with holes; one without takes its size. */
  allocated?: number
  /** Device number as makedev(3) packs it; 0 unless a chardev or blockdev. */
  rdev: number
  atime: WireTime
  mtime: WireTime
  ctime: WireTime
  crtime: WireTime
  /** Counts every change of content. */
  version: number
  /** Names the content; changes when the whole content is replaced. */
  generation: number
  /** Strong entity tag (RFC 9110 section 8.8.3), quotes included; made of ino and version. */
  etag: string
  /** mtime for people and HTTP tools (RFC 3339). */
  modified_time: string
  /** The text of a symlink. */
  target?: string
}

/** One name in a directory. */
export interface WireEntry extends WireAttributes {
  name: string
}

/** Changes of attributes; what is absent stays. Times may be "now" (the server's clock). */
export interface WireAttributeChanges {
  mode?: number
  uid?: number
  gid?: number
  size?: number
  atime?: WireTime | 'now'
  mtime?: WireTime | 'now'
}

/** statfs(2) numbers of one user's tree. */
export interface WireTotals {
  block_size: number
  total_bytes: number
  free_bytes: number
  total_inodes: number
  free_inodes: number
  name_max: number
}

/** An error answer (RFC 9457): `code` is stable and for programs, `detail` for people. */
export interface WireProblem {
  type: string
  title: string
  status: number
  code: string
  detail: string
  request_id?: string
}

/** Limits of names and paths, in bytes of UTF-8. */
export const NAME_MAX = 255
export const PATH_MAX = 4096

/**
 * Headers of our own. Requests may carry attributes for what they create; a client that holds caches names its
 * connection so that it can tell its own changes from others' in the stream of changes.
 */
export const HEADERS = {
  fileType: 'X-File-Type',
  /** All attributes of the answered inode, as compact JSON of WireAttributes. */
  attributes: 'Coffer-Attributes',
  /** Octal permission bits of what the request creates, such as 0644. */
  mode: 'Coffer-Mode',
  uid: 'Coffer-Uid',
  gid: 'Coffer-Gid',
  mtime: 'Coffer-Mtime',
  atime: 'Coffer-Atime',
  /** With PATCH of bytes: the size the file has afterwards. */
  size: 'Coffer-Size',
  /** With PUT: the reserved inode number a new file gets. */
  ino: 'Coffer-Ino',
  /** Names a client's connection; changes carry it as `origin`. At most 64 of [A-Za-z0-9_-]. */
  connection: 'Coffer-Connection',
  /** Names a request, or a channel, among those of the connection, so that it can be given up. At most 64 of [A-Za-z0-9_-]. */
  attempt: 'Coffer-Attempt',
  /** Attempts that are not to be carried out any more, however late they come: up to ABANDONED_AT_ONCE names with commas between. */
  abandoned: 'Coffer-Abandoned',
  /** Names a change among those of the connection, so that after a lost answer it can be asked whether it was made. As `attempt`. */
  change: 'Coffer-Change',
  /** `power` (the default: survives loss of power) or `process` (survives kill -9 of the server). */
  durability: 'Coffer-Durability',
  /** `T`: MOVE swaps source and destination (renameat2(2) RENAME_EXCHANGE). */
  exchange: 'Coffer-Exchange',
} as const

/** How many attempts one request gives up at most. */
export const ABANDONED_AT_ONCE = 32

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

/** A name in a directory. */
export interface WirePlace {
  directory: number
  name: string
}

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
  | {
      op: 'make'
      place: WirePlace
      what: WireNew
      attributes?: WireNewAttributes
      /** Asked for as soon as it is made, with the right to decide. */
      lock?: { request: string; lock: Lock }
    }
  /** A file that has no name until `link` gives it one. */
  | { op: 'makeNameless'; directory: number; attributes?: WireNewAttributes }
  | { op: 'link'; ino: number; place: WirePlace }
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
    } & WireCondition)
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

/**
 * The data of a `change` event of GET /changes. Other events: `ready` (the stream begins after `newest`) and `reset` (changes
 * were missed that are no longer kept: forget every cached thing, go on from `newest`), both with WireChangesStart.
 */
export type WireChange = {
  /** Also the event's id: counts up by one within the user's tree. */
  seq: number
  /** Seconds since the epoch. */
  at: number
  ino: number
  /** The connection that made it, if it named itself. */
  origin?: string
} & (
  | {
      /** A name appeared or went. */
      kind: 'make' | 'remove'
      place: WirePlace
    }
  | {
      kind: 'rename'
      from: WirePlace
      to: WirePlace
      /** The inode whose name was replaced, or that stands at `from` now. */
      replaced?: number
      exchanged?: number
    }
  | {
      /** `content`: bytes and attributes; `attributes`: those alone, extended ones included. */
      kind: 'content' | 'attributes'
      /** Some name of it, if it has one. */
      place?: WirePlace
    }
)

export interface WireChangesStart {
  newest: number
}
