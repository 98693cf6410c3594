import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Context } from '../../fuse/filesystem.js'
import { plannedFile } from '../../planned-file.js'
import type { RemoteNew } from '../../remote/remote-files.js'
import { type Owners, TYPE_BITS } from '../attributes.js'
import { localTime } from '../time.js'

const S_ISGID = 0o2000
const PERMISSIONS = 0o7777

export interface Ownership {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** Mode and owner of something new: the caller's. What set-group-ID of the directory adds (inode(7)) is the server's business. */
export function ownership(mode: number, { uid, gid }: Context, owners: Owners): Ownership {
  return {
    mode: mode & PERMISSIONS,
    uid: owners.storedUid(uid),
    gid: owners.storedGid(gid),
  }
}

/** The same for a file that is planned here: the directory, as it was last seen, may pass its group on (inode(7)). */
export function inherited(owned: Ownership, directory: WireAttributes | undefined): Ownership {
  const passesOn = directory !== undefined && (directory.mode & S_ISGID) !== 0
  return passesOn ? { ...owned, gid: directory.gid } : owned
}

/** A file that the server is to have later. */
export function planned(ino: number, { mode, uid, gid }: Ownership): WireAttributes {
  const now = localTime()
  return plannedFile({ ino, attributes: { mode, uid, gid, atime: now, mtime: now } })
}

/** What mknod(2) makes. */
export function special(mode: number, rdev: number): RemoteNew {
  switch (mode & 0o170000) {
    case TYPE_BITS.fifo:
      return { type: 'fifo' }
    case TYPE_BITS.socket:
      return { type: 'socket' }
    case TYPE_BITS.chardev:
      return { type: 'chardev', rdev }
    case TYPE_BITS.blockdev:
      return { type: 'blockdev', rdev }
    default:
      return { type: 'file' }
  }
}
