import type { FileType, WireAttributes } from '../../server/wire/inodes.js'
import type { FuseAttributes } from '../fuse/filesystem.js'
import { timespec } from '../fuse/integers.js'
import type { Owner } from './options.js'

/** S_IFMT bits of each type (inode(7)). */
export const TYPE_BITS: Readonly<Record<FileType, number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  chardev: 0o020000,
  blockdev: 0o060000,
}

/** Preferred size of reads and writes: what costs one request. */
const BLKSIZE = 128 << 10

/**
 * Owners on the wire ⇄ owners on this machine. With `owner`, 0 stands for whoever mounts (like sshfs's idmap=user): what one
 * machine's user stores belongs to another machine's user too. Without it (root, --allow-other) numbers go as they are.
 */
export class Owners {
  readonly #owner: Owner | undefined
  readonly #umask: number

  constructor(owner: Owner | undefined, umask = 0) {
    this.#owner = owner
    this.#umask = umask
  }

  /** A symlink's mode means nothing and is always 0777 (symlink(7)). */
  shownMode(type: FileType, stored: number): number {
    return type === 'symlink' ? stored : stored & ~this.#umask
  }

  shownUid(stored: number): number {
    return this.#owner !== undefined && stored === 0 ? this.#owner.uid : stored
  }

  shownGid(stored: number): number {
    return this.#owner !== undefined && stored === 0 ? this.#owner.gid : stored
  }

  storedUid(shown: number): number {
    return shown === this.#owner?.uid ? 0 : shown
  }

  storedGid(shown: number): number {
    return shown === this.#owner?.gid ? 0 : shown
  }
}

export function fuseAttributes(
  wire: WireAttributes,
  owners: Owners,
  validMilliseconds: number,
  ino = wire.ino,
): FuseAttributes {
  return {
    ino,
    size: wire.size,
    // holes take no room (du(1) counts these)
    blocks: Math.ceil((wire.allocated ?? wire.size) / 512),
    atime: timespec(wire.atime),
    mtime: timespec(wire.mtime),
    ctime: timespec(wire.ctime),
    mode: TYPE_BITS[wire.type] | owners.shownMode(wire.type, wire.mode),
    nlink: wire.nlink,
    uid: owners.shownUid(wire.uid),
    gid: owners.shownGid(wire.gid),
    rdev: wire.rdev,
    blksize: BLKSIZE,
    validMilliseconds,
  }
}
