/** Inodes and their names, as client and server tell each other of them. A leaf module: it imports nothing. */

/** Types of inode(7), spelled as `X-File-Type` and the JSON attributes spell them. */
export const FILE_TYPES = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'socket',
  'chardev',
  'blockdev',
] as const
export type FileType = (typeof FILE_TYPES)[number]

/** Nanoseconds since the epoch as a decimal string: exact, where a JSON number is not beyond 2^53. */
export type WireTime = string

/** Every attribute of an inode, as JSON carries it. */
export interface WireAttributes {
  ino: number
  type: FileType
  /** Permission bits only (07777). */
  mode: number
  uid: number
  gid: number
  nlink: number
  /** Bytes; exact up to 2^53 - 1. */
  size: number
  /** Bytes it takes on the disk, of a file with holes; one without takes its size. */
  allocated?: number
  /** Device number as makedev(3) packs it; 0 unless a chardev or blockdev. */
  rdev: number
  atime: WireTime
  mtime: WireTime
  ctime: WireTime
  crtime: WireTime
  /** Counts every change of content. */
  version: number
  /** Names the content; changes when the whole content is replaced. */
  generation: number
  /** Strong entity tag (RFC 9110 section 8.8.3), quotes included; made of ino and version. */
  etag: string
  /** mtime for people and HTTP tools (RFC 3339). */
  modified_time: string
  /** The text of a symlink. */
  target?: string
  /** Counts how often mode or owner were set; 0 if absent. */
  permissions?: number
}

/** One name in a directory. */
export interface WireEntry extends WireAttributes {
  name: string
}

/** Changes of attributes; what is absent stays. Times may be "now" (the server's clock). */
export interface WireAttributeChanges {
  mode?: number
  uid?: number
  gid?: number
  size?: number
  atime?: WireTime | 'now'
  mtime?: WireTime | 'now'
  /** Mode and owner are for an inode with so many `permissions`: of any other they stay as somebody else has set them. */
  permissions?: number
}

/** statfs(2) numbers of one user's tree. */
export interface WireTotals {
  block_size: number
  total_bytes: number
  free_bytes: number
  total_inodes: number
  free_inodes: number
  name_max: number
}

/** Limits of names and paths, in bytes of UTF-8. */
export const NAME_MAX = 255
export const PATH_MAX = 4096

/** Where a name stands: the directory's inode and the name in it. */
export interface WirePlace {
  directory: number
  name: string
}
