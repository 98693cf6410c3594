import type { WireAttributes, WireTime } from '../server/wire/inodes.js'

/** A new file of which the server has not heard. */
export interface Planned {
  readonly ino: number
  readonly attributes: {
    readonly mode: number
    readonly uid: number
    readonly gid: number
    readonly atime: WireTime
    readonly mtime: WireTime
  }
}

/** As it will be once the server has it, before anything is written to it. */
export function plannedFile({ ino, attributes }: Planned): WireAttributes {
  const { mode, uid, gid, atime, mtime } = attributes
  return {
    ino,
    type: 'file',
    mode,
    uid,
    gid,
    nlink: 1,
    size: 0,
    rdev: 0,
    atime,
    mtime,
    ctime: mtime,
    crtime: mtime,
    version: 0,
    generation: 0,
    etag: '',
    modified_time: '',
  }
}
