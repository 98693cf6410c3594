import type { WireAttributes } from '../../server/wire/inodes.js'
import type { FileSystem } from '../fuse/filesystem.js'

/** How the remote tree is shown. Everything but `root` has a default. */
export interface FileSystemOptions {
  /** From `RemoteFiles.root()`: that it came proves that server and login work before anything is mounted. */
  readonly root: WireAttributes
  /** Shown as owner of what is stored with uid and gid 0, and stored as 0: so every machine's user sees own files. */
  readonly owner?: Owner
  /** Permission bits taken away from what is shown (umask(2)); what is stored keeps them. */
  readonly umask?: number
  /** How long attributes, names and absences are trusted while no change stream vouches for them. */
  readonly timeoutMilliseconds?: number
  /** Memory for what is read ahead, for the whole mount. */
  readonly readBytes?: number
  /** Memory for what is written and not yet on the server, for the whole mount. */
  readonly writeBytes?: number
  /** `shared` (the default): locks hold between machines; `local`: within this mount. */
  readonly locks?: 'shared' | 'local'
  /** Monotonic milliseconds; a test stops it. */
  readonly now?: () => number
  /** Trouble that no operation can report, such as data refused after its file was closed. */
  readonly log?: (message: string, error?: unknown) => void
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export const DEFAULTS = {
  timeoutMilliseconds: 1000,
  readBytes: 64 << 20,
  writeBytes: 64 << 20,
} as const

/** What is written and not yet on the server. */
export interface Pending {
  readonly bytes: number
  readonly files: number
}

/** What this machine and another one wrote to the same file, each without knowing of the other, since it was mounted. */
export interface Conflicts {
  /** What was written here went over a change of another machine. */
  readonly overwritten: number
  /** What was written here is in a copy beside the other machine's. */
  readonly copies: number
  /** Mode, owner or times that were set here were given up. */
  readonly yielded: number
}

export interface CofferFileSystem extends FileSystem {
  /** What an inode is now, as far as may be believed without asking. */
  believed(ino: number): WireAttributes | undefined
  pending(): Pending
  conflicts(): Conflicts
  /** What of it is in a journal on the local disk, which the next mount sends. */
  kept?(): Pending
  /** Resolves once everything written so far is on the server. */
  drain(): Promise<void>
}
