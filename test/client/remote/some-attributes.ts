import type { WireAttributes } from '../../../server/wire/inodes.js'

/** What a server tells of an inode, whichever was asked about. */
export function attributesOf(ino: number): WireAttributes {
  return {
    ino,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    nlink: 1,
    size: 1,
    rdev: 0,
    atime: '0',
    mtime: '0',
    ctime: '0',
    crtime: '0',
    version: 1,
    generation: 1,
    etag: '"1"',
    modified_time: '',
  }
}
