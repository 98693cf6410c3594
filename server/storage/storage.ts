import type { Readable } from 'node:stream'
import type { FileError } from '../errors.js'
import type { FileType } from '../wire/inodes.js'
import type { Changes } from './changes.js'
import type { NameGuard } from './name-guard.js'
import type { FileName, StoragePath } from './path.js'

/**
 * The engine's contract. It is asynchronous so that another database or object storage can stand behind it; it knows
 * nothing of HTTP. Each method is one atomic step: it happens whole or not at all, also across `kill -9`. Failures are
 * FileError with an errno name. Test: test/server/storage/contract.ts, which takes a constructor.
 */
export interface Storage {
  /** From now on names come into directories only where the guard lets them. */
  guardNames(guard: NameGuard): void

  /** The tree of one user; the user's root is made at first use. */
  tree(owner: UserId): Promise<Tree>
  /**
   * A small file and its whole content, where nothing has to be waited for; undefined where that has to be asked of the tree.
   * What it answers is what `walk` and `open` would. @throws as `walk`
   */
  atHand(owner: UserId, from: Ino | 'root', path: StoragePath): AtHand | undefined
  /**
   * Resolves once everything acknowledged so far survives loss of power (group commit). With an inode number: all
   * metadata, and the content of that inode alone (also what an earlier run of the server wrote), which spares the
   * request from waiting for others' bytes.
   */
  durable(ino?: Ino): Promise<void>
  /** What who is going to change something waits for, if there is something: the engine is at what changes delay. */
  pause(): Promise<void> | undefined
  /** What a user may use; null is unlimited. What is there already stays. */
  setQuota(owner: UserId, quota: Quota): Promise<void>
  quota(owner: UserId): Promise<Quota & Usage>
  close(): Promise<void>
}

export interface Quota {
  readonly maxBytes: number | null
  readonly maxInodes: number | null
}

export interface Usage {
  readonly bytes: number
  readonly inodes: number
  /** Names of files beyond the first of each: with the inodes, they are what `maxInodes` bounds. */
  readonly links: number
}

export type UserId = string
export type Ino = number

/** Nanoseconds since the epoch (may be negative). */
export type Nanoseconds = bigint

export interface Inode {
  readonly ino: Ino
  readonly type: FileType
  /** Permission bits only (07777). */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** 0 for an unlinked inode that a client still holds open. */
  readonly nlink: number
  readonly size: number
  /** Bytes that a file with holes takes on the disk; without it there are no holes. */
  readonly allocated?: number
  readonly rdev: number
  readonly atime: Nanoseconds
  readonly mtime: Nanoseconds
  readonly ctime: Nanoseconds
  readonly crtime: Nanoseconds
  readonly version: number
  readonly generation: number
  /** Counts how often mode or owner were set. */
  readonly permissions: number
  /** The text of a symlink. */
  readonly target?: string
}

export interface Entry {
  readonly name: FileName
  readonly inode: Inode
}

/** Each entry as JSON in the form of WireEntry (server/wire/inodes.ts), or as it is where that is for the caller to spell. */
export interface SpelledPage {
  readonly entries: readonly (string | Entry)[]
  /** The last name of the page. */
  readonly last: FileName | undefined
}

/**
 * Decides within the same transaction whether a change may go on: gets what is there now and throws
 * PreconditionFailed (or a FileError) if not.
 */
export type Precondition = (current: Inode | undefined) => void

/** The same for the value of an extended attribute. */
export type ValuePrecondition = (value: Buffer | undefined) => void

/** Change whatever is there. Greppable on purpose: no precondition is never the default. */
export const overwrite = (): void => {}

/** Attributes of something new. */
export interface NewAttributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly atime?: Nanoseconds
  readonly mtime?: Nanoseconds
  /** A number from `reserve`; else the next free one. @throws EEXIST (taken), EINVAL (not reserved for this user) */
  readonly ino?: Ino
  /** By name, as `setXattr` takes them. */
  readonly xattrs?: ReadonlyMap<string, Buffer>
}

export type NewInode =
  | { readonly type: 'directory' | 'file' | 'fifo' | 'socket' }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'chardev' | 'blockdev'; readonly rdev: number }

/** Attribute changes; what is absent stays. `size` truncates or extends with a hole. */
export interface AttributeChanges {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly atime?: Nanoseconds | 'now'
  readonly mtime?: Nanoseconds | 'now'
  /** Mode and owner are for an inode with so many `permissions`: of any other they stay as somebody else has set them. */
  readonly permissions?: number
}

/** Where a name stands: the directory's inode and the name in it. */
export interface Place {
  readonly directory: Ino
  readonly name: FileName
}

/** Who changes something, so that the client's own echo can be told from others' changes. */
export interface Origin {
  /** The client's connection, if it named one. */
  readonly connection?: string
  /** By what name the connection knows this change, if it may ask for it later. */
  readonly change?: string
  /** Called when it is about to happen. @throws FileError ESTALE once the client has given it up, or is known to have ended */
  readonly mustBeWanted?: () => void
  /** Called when it had to wait for other clients. @throws FileError ESTALE once its own client is gone */
  readonly mustBeThere?: () => void
  /** Breaks the connection: its client asks again on another one, as for any answer that was lost. */
  readonly leave?: () => void
}

/** XATTR_CREATE, XATTR_REPLACE, or neither (setxattr(2)). */
export type XattrMode = 'create' | 'replace' | 'either'

/** A piece of content for a partial write. `append` writes at the end, wherever that is now. */
export interface WritePart {
  readonly offset: number | typeof append
  readonly data: Buffer
}
export const append: unique symbol = Symbol('append')

/** What is there already, part by part; what is still to come, as many parts as come at a time. */
export type WriteParts = Iterable<WritePart> | AsyncIterable<readonly WritePart[]>

/** What is known of a partial write before it comes, so that it can be refused then. */
export interface ExpectedWrite {
  /** Where all of it goes, if that is one place. */
  readonly offset?: number | typeof append
  /** Of all parts together. */
  readonly length?: number
}

/** A range that becomes zeros. */
export interface ZeroRange {
  readonly offset: number
  readonly length: number
  /** Whether the file becomes longer where the range goes beyond its end (which takes no room). */
  readonly extend: boolean
}

/** What copy_file_range(2) copies. */
export interface CopiedRange {
  readonly from: { readonly ino: Ino; readonly offset: number }
  readonly to: { readonly ino: Ino; readonly offset: number }
  readonly length: number
}

/** What to do with a name that exists (renameat2(2)). */
export type RenameMode = 'replace' | 'noreplace' | 'exchange'

/** What `remove` accepts under the name: unlink(2) takes no directory, rmdir(2) only one; DELETE takes both. */
export type RemoveKind = 'unlink' | 'rmdir' | 'either'

export interface Removal {
  readonly place: Place
  readonly kind: RemoveKind
}
/** What became of one of several. */
export type Removed =
  | { readonly kind: 'removed'; readonly inode: Inode }
  | { readonly kind: 'refused'; readonly error: FileError }

/**
 * One user's files. Every inode number is checked to belong to this tree: a foreign or unknown one is ENOENT, and one
 * whose last link is gone is ESTALE. Symlinks are never followed here.
 */
export interface Tree {
  readonly owner: UserId
  readonly root: Ino

  /** Walks names from a directory. @throws ENOENT, ENOTDIR */
  walk(from: Ino, path: StoragePath): Promise<Inode>
  lookup(directory: Ino, name: FileName): Promise<Inode>
  stat(ino: Ino): Promise<Inode>

  /**
   * A page of a directory in the order of names (by bytes), after the name given. Memory and time depend on
   * the page, not on the directory.
   * @param limit at most this many entries (1 to 10,000)
   */
  list(directory: Ino, page: { after?: FileName; limit: number }): Promise<Entry[]>
  /** The same, where what is wanted is JSON. */
  spell(directory: Ino, page: { after?: FileName; limit: number }): Promise<SpelledPage>
  /** Where an inode is named, for messages and changes: some (parent, name) of it. */
  parent(directory: Ino): Promise<Ino>

  /** Makes an empty file, directory, symlink or special file. @throws EEXIST, ENOENT, ENOTDIR, ENOSPC, EDQUOT */
  make(place: Place, what: NewInode, attributes: NewAttributes, origin: Origin): Promise<Inode>
  /**
   * Makes a file of content that is at hand. Undefined where something is at the place, or where the content is long: that is for
   * `upload` to make, or to refuse. @throws ENOENT, ENOTDIR, ENOSPC, EDQUOT, and what the precondition throws
   */
  create(
    place: Place,
    content: Buffer,
    attributes: Partial<NewAttributes>,
    terms: { readonly precondition: Precondition; readonly origin: Origin },
  ): Promise<Inode | undefined>
  /**
   * An empty file without a name (open(2), `O_TMPFILE`): kept as by `remove` with `keep`, until `link` names it. The directory
   * says whose it is.
   */
  makeNameless(directory: Ino, attributes: NewAttributes, origin: Origin): Promise<Inode>
  link(ino: Ino, place: Place, origin: Origin): Promise<Inode>
  /**
   * Removes a name. With `keep`, an inode that loses its last name stays usable by number (nlink 0) until `release`, or
   * until nobody has touched it for a day; without, it is gone at once. Answers the inode as it was left.
   * @throws ENOENT, ENOTEMPTY, EISDIR (unlink of a directory), ENOTDIR (rmdir of something else), EBUSY (the root)
   */
  remove(
    place: Place,
    how: { kind: RemoveKind; keep: boolean; precondition: Precondition },
    origin: Origin,
  ): Promise<Inode>
  /** Removals one after another, in one step. Each is refused for itself, and nothing of them is kept. */
  removeAll(removals: readonly Removal[], origin: Origin): Promise<Removed[]>
  /** Gives up an inode kept without a name. */
  release(ino: Ino, precondition: Precondition): Promise<void>
  /**
   * renameat2(2), atomic across directories. The precondition sees what stands at `to`, `source` what is renamed. With `keep`
   * a replaced inode stays usable by number as in `remove`. Answers whether something was replaced.
   * @throws ENOENT, EEXIST (noreplace), EINVAL (a directory into itself), EISDIR, ENOTDIR, ENOTEMPTY
   */
  rename(
    from: Place,
    to: Place,
    how: { mode: RenameMode; keep: boolean; source: Precondition; precondition: Precondition },
    origin: Origin,
  ): Promise<{ inode: Inode; replaced: boolean }>
  /**
   * Copies a file, symlink or (with `deep`) a directory tree on the server. `source` sees exactly what is copied (of a
   * directory: as it is when the copying begins).
   */
  copy(
    from: Ino,
    to: Place,
    how: { deep: boolean; source: Precondition; precondition: Precondition },
    origin: Origin,
  ): Promise<{ inode: Inode; replaced: boolean }>

  setAttributes(
    ino: Ino,
    changes: AttributeChanges,
    precondition: Precondition,
    origin: Origin,
  ): Promise<Inode>

  getXattr(ino: Ino, name: string): Promise<Buffer>
  listXattrs(ino: Ino): Promise<string[]>
  /** setxattr(2). @throws EEXIST (create), ENODATA (replace), ERANGE, ENOSPC */
  setXattr(
    ino: Ino,
    name: string,
    value: Buffer,
    mode: XattrMode,
    precondition: ValuePrecondition,
    origin: Origin,
  ): Promise<Inode>
  removeXattr(
    ino: Ino,
    name: string,
    precondition: ValuePrecondition,
    origin: Origin,
  ): Promise<Inode>

  /** Opens a file's content as it is now; what is read belongs to one generation. Close it. @throws EISDIR, EINVAL */
  open(ino: Ino): Promise<Content>
  /**
   * Writes parts in place, in order, extending with holes; one new version for all of them. Nothing is visible before
   * the last part has come; if the source fails, nothing was written. `changes` apply after the bytes, in the same
   * transaction. Answers the new attributes. What does not fit is refused while it comes, and what is `expected` not to fit
   * before that. @throws EDQUOT, ENOSPC, EFBIG
   */
  write(
    ino: Ino,
    parts: WriteParts,
    precondition: Precondition,
    origin: Origin,
    changes?: AttributeChanges,
    expected?: ExpectedWrite,
  ): Promise<Inode>
  /**
   * fallocate(2): makes zeros of a range, and frees the room they took where the disk can. @throws EINVAL (no length), EFBIG
   */
  zero(ino: Ino, range: ZeroRange, precondition: Precondition, origin: Origin): Promise<Inode>
  /**
   * copy_file_range(2) as one `write`; the precondition is about the target. Answers how many bytes it copied: fewer than
   * asked at the end of the source, or where it is much. @throws EINVAL (overlapping ranges of one file), EFBIG
   */
  copyRange(
    range: CopiedRange,
    precondition: Precondition,
    origin: Origin,
  ): Promise<{ inode: Inode; bytes: number }>
  /** lseek(2) SEEK_DATA, SEEK_HOLE (the end is a hole); undefined for ENXIO. @throws EISDIR, EINVAL */
  seek(ino: Ino, position: number, what: 'data' | 'hole'): Promise<number | undefined>
  /** Sets aside inode numbers (1 to 10,000) for this user's later creates; answers the first of `count` consecutive ones. */
  reserve(count: number): Promise<Ino>
  /**
   * Begins a whole new content, streamed to a file of its own. Nothing is visible before `commit`. What is known about
   * it beforehand (its size, the inode it will replace, or that it is a new file) lets it be refused before the bytes come, and counted rightly
   * against the quota meanwhile. @throws ENOSPC, EDQUOT, EFBIG
   */
  upload(expected?: {
    readonly size?: number
    readonly replaces?: Ino | 'nothing'
  }): Promise<Upload>
  /** Begins an upload that is made in several requests and survives a restart, until it expires. @throws as `upload` */
  beginUpload(record: UploadRecord, replaces?: Ino): Promise<void>
  /** Goes on with one, where what is on the disk ends; undefined if there is none, or it has expired. */
  resumeUpload(id: string): Promise<ResumableUpload | undefined>
  uploadsUnderWay(): Promise<UploadsUnderWay>

  /** The log of this tree's changes. */
  readonly changes: Changes

  totals(): Promise<Totals>
  /** Refuses what would be refused now: so many more bytes, or names. @throws EDQUOT */
  require(more: { readonly bytes?: number; readonly inodes?: number }): Promise<void>
}

/** A file and all its bytes, which are not to be changed. */
export interface AtHand {
  readonly inode: Inode
  readonly data: Buffer
}

export interface Content {
  readonly inode: Inode
  /** Up to `length` bytes at `position`, and at most 16 MiB; fewer only at the end. */
  read(position: number, length: number): Promise<Buffer>
  /** Fills the buffer with what is at `position`; answers how much that is: less only at the end. */
  readInto(into: Buffer, position: number): Promise<number>
  /** Bytes first to last, both inclusive; the stream closes the content. */
  stream(first: number, last: number): Readable
  close(): Promise<void>
}

/** A new content on its way. Either `commit` or `abort` ends it. */
export interface Upload {
  /** Bytes received so far. */
  readonly size: number
  /** Appends what the source yields, a piece or several at a time. @throws ENOSPC, EDQUOT, EFBIG */
  write(source: AsyncIterable<Buffer | readonly Buffer[]> | Iterable<Buffer>): Promise<void>
  /** Appends zeros that take no room, a hole. @throws EDQUOT, EFBIG */
  skip(bytes: number): Promise<void>
  /**
   * Puts the content at a place in one step: makes the file, or replaces the content of the file there (same inode, new
   * generation). With an inode number it replaces the content of that file, whatever its name is by now.
   * @throws EISDIR, EINVAL (no regular file), ENOENT and ENOTDIR (parent), and what the precondition throws
   */
  commit(
    target: Place | Ino,
    attributes: Partial<NewAttributes>,
    precondition: Precondition,
    origin: Origin,
  ): Promise<{ inode: Inode; created: boolean }>
  abort(): Promise<void>
}

/** What is kept of an upload that is made in several requests. */
export interface UploadRecord {
  readonly id: string
  readonly length: number
  /** The caller's own. */
  readonly details: string
  readonly expires: Date
}

/** What `write` got stays, also when its source fails; one request at a time. */
export interface ResumableUpload extends Upload, UploadRecord {
  /** What it became. */
  readonly finished: Ino | undefined
  /** What has come, from the beginning; not while more is coming. */
  content(): AsyncGenerator<readonly Buffer[]>
  extend(expires: Date): Promise<void>
}

export interface UploadsUnderWay {
  readonly own: number
  readonly all: number
}

/** statfs(2) numbers of one user. */
export interface Totals {
  readonly totalBytes: number
  readonly freeBytes: number
  readonly totalInodes: number
  readonly freeInodes: number
}
