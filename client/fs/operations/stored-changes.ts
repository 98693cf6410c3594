import type { WireAttributeChanges } from '../../../server/wire/inodes.js'
import type { SetAttributes } from '../../fuse/filesystem.js'
import type { Owners } from '../attributes.js'

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

/** Whole seconds whose nanoseconds the server has numbers for: from the year 1677 to 2262. */
const LAST_SECOND = 9_223_372_036n * 1_000_000_000n

/** What is too early or too late is moved into the range, as Linux does for every file system (timestamp_truncate). */
function wireTime(time: bigint | 'now'): string {
  if (time === 'now') return 'now'
  if (time > LAST_SECOND) return String(LAST_SECOND)
  return String(time < -LAST_SECOND ? -LAST_SECOND : time)
}
