import type { WireAttributes } from '../server/wire.js'

/** Whether nothing is different; what changes with every change comes first. */
export function isSame(a: WireAttributes, b: WireAttributes): boolean {
  return (
    a.ctime === b.ctime &&
    a.version === b.version &&
    a.ino === b.ino &&
    a.type === b.type &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.nlink === b.nlink &&
    a.size === b.size &&
    a.allocated === b.allocated &&
    a.rdev === b.rdev &&
    a.atime === b.atime &&
    a.mtime === b.mtime &&
    a.crtime === b.crtime &&
    a.generation === b.generation &&
    a.etag === b.etag &&
    a.modified_time === b.modified_time &&
    a.target === b.target
  )
}
