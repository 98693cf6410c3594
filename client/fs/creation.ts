import type { WireAttributes } from '../../server/wire.js'

import type { Cache } from '../cache.js'
import type { Context } from '../fuse/filesystem.js'
import type { RemoteFiles } from '../remote-files.js'
import type { Owners } from './attributes.js'
import { localTime } from './time.js'

const S_ISGID = 0o2000
const S_ISUID = 0o4000
const S_IXGRP = 0o010
const PERMISSIONS = 0o7777

export interface Ownership {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** Mode and owner of something new: the caller's, but the group of a directory with set-group-ID (inode(7)). */
export async function ownership(
  mount: { readonly files: RemoteFiles; readonly cache: Cache; readonly owners: Owners },
  directory: number,
  mode: number,
  context: Context,
  kind: 'directory' | 'other',
): Promise<Ownership> {
  const { files, cache, owners } = mount
  const parent = cache.lastAttributes(directory) ?? (await files.stat(directory))
  const inherits = (parent.mode & S_ISGID) !== 0
  return {
    mode: (mode & PERMISSIONS) | (inherits && kind === 'directory' ? S_ISGID : 0),
    uid: owners.storedUid(context.uid),
    gid: inherits ? parent.gid : owners.storedGid(context.gid),
  }
}

/** The mode without what lets others run the file as its owner, which a change of owner or content takes away (chown(2), write(2)). */
export function withoutPrivileges(mode: number): number {
  const group = (mode & S_IXGRP) === 0 ? 0 : S_ISGID
  return mode & ~(S_ISUID | group)
}

/** A file as it will be once the server has it. */
export function planned(ino: number, { mode, uid, gid }: Ownership): WireAttributes {
  const now = localTime()
  return {
    ino,
    type: 'file',
    mode,
    uid,
    gid,
    nlink: 1,
    size: 0,
    rdev: 0,
    atime: now,
    mtime: now,
    ctime: now,
    crtime: now,
    version: 0,
    generation: 0,
    etag: '',
    modified_time: '',
  }
}
