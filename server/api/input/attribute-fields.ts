import type { IncomingHttpHeaders } from 'node:http'
import { FileError } from '../../errors.js'
import { field } from '../../http/field.js'
import type { AttributeChanges, NewAttributes } from '../../storage/storage.js'
import { HEADERS } from '../../wire/headers.js'
import { MAX_ID } from './schemas.js'
import { TIME_RULE, timeOf } from './time.js'

/** Attributes that come as header fields, beside a body of bytes. */

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** What PUT and POST may say about something new. */
export function newAttributeFields(headers: IncomingHttpHeaders): Partial<NewAttributes> {
  const attributes: Partial<Writable<NewAttributes>> = {}
  const mode = field(headers, HEADERS.mode)
  const uid = field(headers, HEADERS.uid)
  const gid = field(headers, HEADERS.gid)
  const atime = field(headers, HEADERS.atime)
  const mtime = field(headers, HEADERS.mtime)
  const ino = field(headers, HEADERS.ino)
  if (mode !== undefined) attributes.mode = parseMode(mode)
  if (uid !== undefined) attributes.uid = parseId(HEADERS.uid, uid)
  if (gid !== undefined) attributes.gid = parseId(HEADERS.gid, gid)
  if (atime !== undefined) attributes.atime = parseTime(HEADERS.atime, atime)
  if (mtime !== undefined) attributes.mtime = parseTime(HEADERS.mtime, mtime)
  if (ino !== undefined) attributes.ino = parseReserved(ino)
  return attributes
}

/** What a PATCH of bytes may change in the same step; undefined if nothing. */
export function attributeChangeFields(headers: IncomingHttpHeaders): AttributeChanges | undefined {
  const changes: Writable<AttributeChanges> = {}
  const mode = field(headers, HEADERS.mode)
  const uid = field(headers, HEADERS.uid)
  const gid = field(headers, HEADERS.gid)
  const size = field(headers, HEADERS.size)
  const permissions = field(headers, HEADERS.permissions)
  const atime = field(headers, HEADERS.atime)
  const mtime = field(headers, HEADERS.mtime)
  if (mode !== undefined) changes.mode = parseMode(mode)
  if (uid !== undefined) changes.uid = parseId(HEADERS.uid, uid)
  if (gid !== undefined) changes.gid = parseId(HEADERS.gid, gid)
  if (size !== undefined) changes.size = parseSize(size)
  if (permissions !== undefined) changes.permissions = parsePermissions(permissions)
  if (atime !== undefined) changes.atime = parseTimeOrNow(HEADERS.atime, atime)
  if (mtime !== undefined) changes.mtime = parseTimeOrNow(HEADERS.mtime, mtime)
  return Object.keys(changes).length === 0 ? undefined : changes
}

/** @throws FileError EINVAL */
function parseTime(name: string, digits: string): bigint {
  const time = timeOf(digits)
  if (time === undefined) throw new FileError('EINVAL', `${name} ${TIME_RULE}`)
  return time
}

function parseTimeOrNow(name: string, value: string): bigint | 'now' {
  return value === 'now' ? 'now' : parseTime(name, value)
}

function parseMode(octal: string): number {
  if (!/^0?[0-7]{1,4}$/.test(octal)) {
    throw new FileError('EINVAL', `${HEADERS.mode} must be permission bits in octal, such as 0644`)
  }
  return Number.parseInt(octal, 8)
}

function parseId(name: string, digits: string): number {
  const id = Number(digits)
  if (!/^\d{1,10}$/.test(digits) || id > MAX_ID) {
    throw new FileError('EINVAL', `${name} must be a number up to ${MAX_ID}`)
  }
  return id
}

function parseReserved(digits: string): number {
  const ino = Number(digits)
  if (!/^[1-9]\d{0,15}$/.test(digits) || !Number.isSafeInteger(ino)) {
    throw new FileError('EINVAL', `${HEADERS.ino} must be a reserved inode number`)
  }
  return ino
}

function parsePermissions(digits: string): number {
  if (/^\d{1,15}$/.test(digits)) return Number(digits)
  throw new FileError('EINVAL', `${HEADERS.permissions} must be a number`)
}

function parseSize(digits: string): number {
  const size = Number(digits)
  if (!/^\d+$/.test(digits)) throw new FileError('EINVAL', `${HEADERS.size} must be a number`)
  if (!Number.isSafeInteger(size)) {
    throw new FileError('EFBIG', `${HEADERS.size} is beyond the largest size a file can have`)
  }
  return size
}
