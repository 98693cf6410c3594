import {
  FILE_TYPES,
  type FileType,
  NAME_MAX,
  PATH_MAX,
  type WireAttributes,
  type WireEntry,
} from '../../server/wire/inodes.js'
import { isCount, isRecord, nonsense } from './wire-values.js'

/** What the server says of inodes and their names, parsed. */

const TIME = /^-?\d{1,19}$/
const MOST_MODE = 0o7777
/** Of owners, links and devices, as the kernel has them. */
const MOST_32 = 0xffff_ffff
/** Of texts that are not shown. */
const MOST_CHARACTERS = 256

/**
 * Field by field: every answer about a file passes by here. Of what else came nothing is taken over, for the attributes of many files
 * are remembered. @throws RemoteError EIO for what are no attributes
 */
export function checkedAttributes(value: unknown): WireAttributes {
  if (!isRecord(value)) throw nonsense('there are no attributes')
  const { ino, type, mode, uid, gid, nlink, size, rdev, version, generation } = value
  const { atime, mtime, ctime, crtime, etag, modified_time } = value
  if (
    isCount(ino) &&
    ino > 0 &&
    isFileType(type) &&
    isCount(mode) &&
    mode <= MOST_MODE &&
    is32(uid) &&
    is32(gid) &&
    is32(nlink) &&
    is32(rdev) &&
    isCount(size) &&
    isCount(version) &&
    isCount(generation) &&
    isTime(atime) &&
    isTime(mtime) &&
    isTime(ctime) &&
    isTime(crtime) &&
    isText(etag)
  ) {
    const attributes: WireAttributes = {
      ino,
      type,
      mode,
      uid,
      gid,
      nlink,
      size,
      rdev,
      // Most files were made, written and read at once. Parsed, each of their times is a string of its own.
      atime: atime === mtime ? mtime : atime,
      mtime,
      ctime: ctime === mtime ? mtime : ctime,
      crtime: crtime === mtime ? mtime : crtime,
      version,
      generation,
      etag,
      // for people: nobody here reads it
      modified_time: isText(modified_time) ? modified_time : '',
    }
    if (takeOptional(attributes, value)) return attributes
  }
  throw nonsense('attributes are incomplete')
}

/** @returns whether it can be taken */
function takeOptional(attributes: WireAttributes, from: Record<string, unknown>): boolean {
  const { allocated, permissions, target } = from
  if (allocated !== undefined) {
    if (!isCount(allocated)) return false
    attributes.allocated = allocated
  }
  if (permissions !== undefined) {
    if (!isCount(permissions)) return false
    attributes.permissions = permissions
  }
  if (attributes.type !== 'symlink') return typeof target !== 'string'
  if (!isTarget(target)) return false
  attributes.target = target
  return true
}

function is32(value: unknown): value is number {
  return isCount(value) && value <= MOST_32
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && TIME.test(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MOST_CHARACTERS
}

function isFileType(value: unknown): value is FileType {
  return (FILE_TYPES as readonly unknown[]).includes(value)
}

/** As symlink(2) takes it: what readlink(2) has room for. */
function isTarget(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && Buffer.byteLength(value) < PATH_MAX
}

/** A name from the server must not lead out of the directory it is listed in. */
export function isName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    !/^\.{0,2}$/.test(value) &&
    !/[/\0]/.test(value) &&
    Buffer.byteLength(value) <= NAME_MAX
  )
}

/** @throws RemoteError EIO */
function checkedEntry(value: unknown): WireEntry {
  const entry = checkedAttributes(value) as WireEntry
  const { name } = value as { name?: unknown }
  if (!isName(name)) throw nonsense('a directory has an entry that is no name')
  entry.name = name
  return entry
}

/** @throws RemoteError EIO */
export function checkedEntries(list: unknown): WireEntry[] {
  if (!Array.isArray(list)) throw nonsense('a directory listing is no array')
  return list.map(checkedEntry)
}
