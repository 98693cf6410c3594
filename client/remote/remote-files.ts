import type { WireChange } from '../../server/wire/changes.js'
import type {
  WireAttributeChanges,
  WireAttributes,
  WireEntry,
  WirePlace,
  WireTotals,
} from '../../server/wire/inodes.js'
import type {
  Lock,
  LockRange,
  WireClaim,
  WireLease,
  WireLockAnswer,
} from '../../server/wire/locks.js'
import type { WirePosition } from '../../server/wire/operations.js'
import type { PutContent } from '../http/upload-content.js'

/**
 * The remote tree as the mount sees it: inode by inode. `files-over-channel.ts` and `files-over-http.ts` ask the server; the journal, the
 * cache on disk and others wrap it and return the same interface. Every method may throw RemoteError.
 */
export interface RemoteFiles {
  root(signal?: AbortSignal): Promise<WireAttributes>
  stat(ino: number, signal?: AbortSignal): Promise<WireAttributes>
  lookup(directory: number, name: string, signal?: AbortSignal): Promise<WireAttributes>
  /** The whole directory in pages, in the server's order. */
  list(
    directory: number,
    signal?: AbortSignal,
    /** Only names after this one. */
    after?: string,
  ): AsyncIterable<readonly WireEntry[]>

  /**
   * Bytes of a file; fewer than asked only at its end.
   * @returns the attributes the answer came with, so that a reader notices a new version
   */
  read(ino: number, offset: number, length: number, signal?: AbortSignal): Promise<RemoteContent>
  /** Whole files in one request, as many as fit into `bytes`; undefined for those that did not, or are gone. */
  readAll?(inos: readonly number[], bytes: number): Promise<(RemoteContent | undefined)[]>
  /** Writes parts in place in one request; `append` goes to the end wherever that is now. */
  write(ino: number, parts: readonly RemotePart[], options?: WriteOptions): Promise<Changed>
  /** lseek(2) with SEEK_DATA or SEEK_HOLE; the end of the file is a hole. @returns undefined if there is none (ENXIO) */
  seek(
    ino: number,
    offset: number,
    what: 'data' | 'hole',
    signal?: AbortSignal,
  ): Promise<number | undefined>
  /** A range becomes zeros, whose room is freed (fallocate(2)). */
  zero(ino: number, range: RemoteZeros, named?: Pick<Condition, 'change'>): Promise<Changed>
  /** copy_file_range(2): fewer bytes than asked at the end of the source, or where it is much. */
  copyRange(
    from: WirePosition,
    to: WirePosition,
    length: number,
    named?: Pick<Condition, 'change'>,
  ): Promise<RemoteCopy>
  /** A new file, or a whole new content, in one request. */
  put(
    directory: number,
    name: string,
    content: PutContent,
    options: PutOptions,
  ): Promise<WireAttributes>

  make(
    directory: number,
    name: string,
    what: RemoteNew,
    attributes: RemoteNewAttributes,
    options?: { readonly lease?: LeaseWish | undefined } & Pick<Condition, 'change'>,
  ): Promise<WireAttributes>
  /** An empty file that has no name until `link` gives it one, for as long as it is used or until `release`. */
  makeNameless(directory: number, attributes: RemoteNewAttributes): Promise<WireAttributes>
  link(
    ino: number,
    directory: number,
    name: string,
    named?: Pick<Condition, 'change'>,
  ): Promise<WireAttributes>
  /**
   * `keep`: an inode that loses its last name stays usable by number until `release`. `ino`: what the name was seen to lead to.
   * @returns the inode as it was left; undefined if the server did it and its answer was lost
   */
  remove(
    directory: number,
    name: string,
    kind: 'unlink' | 'rmdir',
    options: { keep: boolean; ino?: number },
  ): Promise<WireAttributes | undefined>
  /** Several in one go, one after another; each comes out for itself. Nothing of them is kept. */
  removeAll?(removals: readonly RemoteRemoval[]): Promise<RemovalOutcome[]>
  release(ino: number): Promise<void>
  /** @returns the inode that was moved; undefined if the server did it and its answer was lost */
  rename(
    from: { directory: number; name: string },
    to: { directory: number; name: string },
    options: { mode: 'replace' | 'noreplace' | 'exchange'; keep: boolean; change?: string },
  ): Promise<WireAttributes | undefined>
  /** Without a durability it is `process`. */
  setAttributes(
    ino: number,
    changes: WireAttributeChanges,
    options?: Condition &
      Partial<Pick<WriteOptions, 'durability'>> & {
        /** Nobody waits for the answer (`keepsOrder`). */
        readonly isUnawaited?: boolean
      },
  ): Promise<Changed>

  getXattr(ino: number, name: string): Promise<Buffer>
  listXattrs(ino: number): Promise<string[]>
  setXattr(
    ino: number,
    name: string,
    value: Buffer,
    mode: 'create' | 'replace' | 'either',
  ): Promise<void>
  removeXattr(ino: number, name: string): Promise<void>

  /**
   * The inode as it is now, if the change was made whose name came with an error. If it was not, it will not be: it is given up on the
   * server. `by`: the secret of the connection that made it, if that is one of a mount before.
   */
  made?(ino: number, change: string, by?: string): Promise<Changed | undefined>

  /**
   * What is to be changed after `removeAll`, or `setAttributes` that nobody awaits, was asked for need not wait for the answer: it is
   * carried out after it, also where answers are lost. Not so of extended attributes, and what brings a name back to the inode that it is being taken from.
   */
  readonly keepsOrder?: boolean
  /** Changes are kept here first: what was answered is not on the server before `sync` says so. */
  readonly journals?: boolean
  /** The server cannot be reached now, and what is based on an old answer would be found out later. */
  isAway?(): boolean
  /** Resolves once everything given for an inode has left this machine. */
  sent?(ino: number): Promise<void>
  /** Resolves once the server has the file on its disk (fsync(2)). */
  sync(ino: number): Promise<void>
  /**
   * Sets aside inode numbers for `put`: a mount must tell the kernel the number of a new file before it sends it.
   * @returns the first of `count` consecutive numbers
   */
  reserve?(count: number): Promise<number>
  totals(): Promise<WireTotals>
  /** The newest change of others that was there before what this mount has made, linked or renamed, as far as answers have said. */
  othersUpTo?(): number
  /** Lets a stream of changes that pauses before it comes back do so now. */
  hurryChanges?(): void
  /** What others change, as it happens; comes back by itself when it was interrupted, and ends with the signal. */
  changes?(signal: AbortSignal): AsyncIterable<RemoteNews>
  /** Locks between machines. */
  readonly locks?: RemoteLocks
}

/** Locks that the server holds for this mount (docs/file-api.md, "Locks"). None of these waits for a lock. */
export interface RemoteLocks {
  lock(
    ino: number,
    wanted: { request: string; lock: Lock; wait: boolean; delegable: boolean },
  ): Promise<WireLockAnswer>
  unlock(ino: number, range: LockRange): Promise<void>
  test(ino: number, lock: Lock): Promise<WireLockAnswer>
  cancel(ino: number, request: string): Promise<WireLockAnswer>
  giveBack(ino: number, locks: readonly Lock[]): Promise<void>
  renew(): Promise<WireLease>
  /** @returns inodes whose locks are lost. @throws RemoteError ESTALE where the server is in another run */
  claim(
    claims: readonly WireClaim[],
    options: { readonly isLast: boolean; readonly run: string },
  ): Promise<number[]>
  end(): Promise<void>
}

/** For mounts whose process has ended. */
export interface RemoteFencing {
  /**
   * Nothing of the connection that the secret names is done any more; and its locks go, or its lease is renewed.
   * @throws RemoteError EBUSY where it is still there
   */
  fence(secret: string, locks: 'keep' | 'end'): Promise<void>
}

/** For `make` of a directory: the lease of its names, asked for together with it. */
export interface LeaseWish {
  readonly request: string
  readonly lock: Lock
  /** Before the directory's attributes are answered; not at all where the server was not asked, or its answer was lost. */
  answered(answer: WireLockAnswer): void
}

export type RemoteNews =
  /** From here on everything is told; also what was missed since `lost`, unless `reset` follows. */
  | { readonly kind: 'connected' }
  /** From here on changes may be missed. */
  | { readonly kind: 'lost' }
  /** Changes were missed: nothing that was known before holds. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'change'; readonly change: WireChange }
  /** What was shown as it would be is now so on the server; `current` says nothing if it changed again since. */
  | { readonly kind: 'settled'; current(): WireAttributes | undefined }
  /** Something else than was shown may stand at a place. */
  | { readonly kind: 'name'; readonly place: WirePlace }
  /** All changes up to this number have been told. */
  | { readonly kind: 'told'; readonly newest: number }
  /** A lock that was waited for has been decided. */
  | { readonly kind: 'lock'; readonly request: string }
  /** Others want the locks of this inode, about which the mount decides by itself. */
  | { readonly kind: 'recall'; readonly ino: number }

export interface RemoteRemoval {
  readonly directory: number
  readonly name: string
  readonly kind: 'unlink' | 'rmdir'
  /** What the name was seen to lead to. */
  readonly ino: number
}

/** As `remove` resolves or rejects. */
export type RemovalOutcome = PromiseSettledResult<WireAttributes | undefined>

export interface RemoteContent {
  readonly data: Buffer
  readonly attributes: WireAttributes
  /** Lets others use the memory of the data. Whoever keeps a view of it must not call this; nobody has to. */
  release?(): void
}

export interface RemotePart {
  readonly offset: number | 'append'
  readonly data: Buffer
}

export interface RemoteZeros {
  readonly offset: number
  readonly length: number
  /** Whether the file becomes longer where the range goes beyond its end. */
  readonly extend: boolean
}

/** An inode after a change of content; `made`: the version that the change made, where its answer was lost and others may have come since. */
export type Changed = WireAttributes & { readonly made?: number }

export interface RemoteCopy {
  /** Undefined if they were copied, and the answer that told how many was lost: copied again, they are the same. */
  readonly copied: number | undefined
  /** Of the target. */
  readonly attributes: Changed
}

export interface WriteOptions {
  /** `power`: on the server's disk before the answer; `process`: survives the server's kill -9. */
  readonly durability: 'power' | 'process'
  /** Applied after the bytes, in the same step: `size` cuts or extends, times and mode stay as given here. */
  readonly attributes?: WireAttributeChanges
  readonly ifMatch?: Condition['ifMatch']
  readonly change?: Condition['change']
}

export interface Condition {
  /** The `etag` the file must have, decided in the same step. @throws ESTALE if it is another one */
  readonly ifMatch?: string
  /** The name of an earlier try at the same change, which may have been made; without, it gets one of its own. */
  readonly change?: string | undefined
}

export interface PutOptions extends Omit<WriteOptions, 'attributes' | 'change'> {
  /** `create`: EEXIST if the name exists. */
  readonly mode: 'create' | 'replace'
  /** A number from `reserve` for the file if it is new. */
  readonly ino?: number
  readonly attributes: RemoteNewAttributes
}

export type RemoteNew =
  | { readonly type: 'file' | 'directory' | 'fifo' | 'socket' }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'chardev' | 'blockdev'; readonly rdev: number }

export interface RemoteNewAttributes {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Nanoseconds since the epoch as decimal strings. */
  readonly atime?: string
  readonly mtime?: string
}
