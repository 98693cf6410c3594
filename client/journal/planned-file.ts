import type { WireAttributes } from '../../server/wire.js'
import type { Change } from './record.js'

export type Birth = Omit<Extract<Change, { kind: 'birth' }>, 'id'>

/** A new file before anything was written to it. */
export function plannedFile({ ino, attributes }: Birth): WireAttributes {
  const { mode, uid, gid, atime, mtime } = attributes
  return {
    ino,
    type: 'file',
    ...{ mode, uid, gid, nlink: 1, size: 0, rdev: 0 },
    ...{ atime, mtime, ctime: mtime, crtime: mtime },
    ...{ version: 0, generation: 0, etag: '', modified_time: '' },
  }
}
