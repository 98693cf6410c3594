import type { WireAttributeChanges } from '../../server/wire.js'
import type { SetAttributes } from '../fuse/filesystem.js'
import type { Owners } from './attributes.js'

/** What setattr asks, but for the size, as the server takes it. */
export function storedChanges(changes: SetAttributes, owners: Owners): WireAttributeChanges {
  const { mode, uid, gid, atime, mtime } = changes
  return {
    ...(mode === undefined ? {} : { mode: mode & 0o7777 }),
    ...(uid === undefined ? {} : { uid: owners.storedUid(uid) }),
    ...(gid === undefined ? {} : { gid: owners.storedGid(gid) }),
    ...(atime === undefined ? {} : { atime: wireTime(atime) }),
    ...(mtime === undefined ? {} : { mtime: wireTime(mtime) }),
  }
}

function wireTime(time: bigint | 'now'): string {
  return time === 'now' ? 'now' : String(time)
}
