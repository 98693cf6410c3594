import { isUtf8 } from 'node:buffer'
import type { FileType } from '../../wire/inodes.js'
import type { Nanoseconds } from '../storage.js'

/**
 * The pax interchange format (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"): what import and
 * export speak with tar(1), because it carries times to the nanosecond, long names, big sizes and xattrs.
 */
export interface Member {
  readonly type: FileType | 'link'
  readonly path: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: Nanoseconds
  readonly atime?: Nanoseconds
  /** Of a symlink its text, of a hard link the path of the first name. */
  readonly linkpath: string
  readonly rdev: number
  readonly xattrs: ReadonlyMap<string, Buffer>
  /** Length of a file with holes; `size` is then that of its map and its data (tar-sparse.ts). */
  readonly realSize?: number
}

export const BLOCK = 512

/** typeflag of each type. */
const TYPEFLAG = {
  file: '0',
  link: '1',
  symlink: '2',
  chardev: '3',
  blockdev: '4',
  directory: '5',
  fifo: '6',
} as const
type Typed = keyof typeof TYPEFLAG

const TYPES: ReadonlyMap<string, Typed> = new Map([
  ...Object.entries(TYPEFLAG).map(([type, flag]) => [flag, type as Typed] as const),
  ['\0', 'file'] as const,
])

const XATTR = 'SCHILY.xattr.'
const SPARSE = 'GNU.sparse.'

/** The headers of a member; a socket has no place in an archive. */
export function encodeMember(member: Member & { readonly type: Typed }): Buffer {
  const records = [
    record(member.realSize === undefined ? 'path' : `${SPARSE}name`, Buffer.from(member.path)),
    record('mtime', Buffer.from(decimal(member.mtime))),
  ]
  if (member.realSize !== undefined) {
    const about = { major: 1, minor: 0, realsize: member.realSize }
    for (const [key, value] of Object.entries(about)) {
      records.push(record(SPARSE + key, Buffer.from(String(value))))
    }
  }
  if (member.atime !== undefined) records.push(record('atime', Buffer.from(decimal(member.atime))))
  if (member.linkpath !== '') records.push(record('linkpath', Buffer.from(member.linkpath)))
  if (member.size > OCTAL_12_MAX) records.push(record('size', Buffer.from(String(member.size))))
  for (const key of ['uid', 'gid'] as const) {
    if (member[key] > OCTAL_8_MAX) records.push(record(key, Buffer.from(String(member[key]))))
  }
  for (const [name, value] of member.xattrs) records.push(record(XATTR + keyOf(name), value))
  const extended = Buffer.concat(records)
  return Buffer.concat([
    header({ ...member, size: extended.length, path: 'pax', linkpath: '' }, 'x'),
    extended,
    padding(extended.length),
    header(member, TYPEFLAG[member.type]),
  ])
}

/** Zeros up to the next block. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
}

/** The end of an archive. */
export const END = Buffer.alloc(2 * BLOCK)

const OCTAL_8_MAX = 0o7777777
const OCTAL_12_MAX = 0o77777777777

function header(member: Member, typeflag: string): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, length: number) => {
    const fits = value >= 0 && value < 8 ** (length - 1)
    block.write((fits ? value : 0).toString(8).padStart(length - 1, '0'), at, 'latin1')
  }
  block.write(member.path.slice(0, 25), 0, 100)
  octal(member.mode, 100, 8)
  octal(member.uid, 108, 8)
  octal(member.gid, 116, 8)
  octal(member.size, 124, 12)
  octal(Math.max(0, Number(member.mtime / 1_000_000_000n)), 136, 12)
  block.write('        ', 148)
  block.write(typeflag, 156)
  block.write(member.linkpath.slice(0, 25), 157, 100)
  block.write('ustar\x0000', 257)
  const { major, minor } = device(member.rdev)
  octal(major, 329, 8)
  octal(minor, 337, 8)
  octal(checksum(block), 148, 7)
  return block
}

/** "=" ends a keyword: GNU tar writes it in the name of an attribute as "%3D", and so "%" as "%25". */
const keyOf = (name: string) => name.replaceAll('%', '%25').replaceAll('=', '%3D')
const nameOf = (key: string) => key.replaceAll('%3D', '=').replaceAll('%25', '%')

/** record = length " " keyword "=" value LF, where the length counts itself. */
function record(keyword: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${keyword}=`), value, Buffer.from('\n')])
  let length = rest.length + 1
  while (String(length).length + rest.length !== length)
    length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

/** One header block as it stands; a member's type and size may be put right by extended records. */
export interface Header {
  readonly typeflag: string
  readonly member: Member
}

/** Parses a header block; undefined for the zeros at the end. @throws Error if it is none */
export function decodeHeader(block: Buffer): Header | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  const text = (at: number, length: number) => {
    const end = block.indexOf(0, at)
    return textOf(block.subarray(at, end === -1 || end > at + length ? at + length : end))
  }
  const octal = (at: number, length: number) => Number.parseInt(text(at, length).trim() || '0', 8)
  if (octal(148, 8) !== checksum(block)) throw new Error('this is no tar archive')
  const typeflag = block.toString('latin1', 156, 157)
  const prefix = text(345, 155)
  const member: Member = {
    type: TYPES.get(typeflag) ?? 'socket',
    path: prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`,
    mode: octal(100, 8) & 0o7777,
    uid: octal(108, 8),
    gid: octal(116, 8),
    size: octal(124, 12),
    mtime: BigInt(octal(136, 12)) * 1_000_000_000n,
    linkpath: text(157, 100),
    rdev: makedev(octal(329, 8), octal(337, 8)),
    xattrs: new Map(),
  }
  return { typeflag, member }
}

/** A member with what its extended header says. */
export function extendMember(member: Member, extended: Buffer): Member {
  const records = parseRecords(extended)
  const text = (key: string) => {
    const value = records.get(key)
    return value && textOf(value)
  }
  const number = (key: string) => (records.has(key) ? Number(text(key)) : undefined)
  const mtime = text('mtime')
  const atime = text('atime')
  const realSize = number(`${SPARSE}realsize`)
  if (realSize !== undefined && text(`${SPARSE}major`) !== '1') {
    throw new Error('the archive tells of holes in a form that is not known here')
  }
  return {
    ...member,
    path: text(`${SPARSE}name`) ?? text('path') ?? member.path,
    linkpath: text('linkpath') ?? member.linkpath,
    uid: number('uid') ?? member.uid,
    gid: number('gid') ?? member.gid,
    size: number('size') ?? member.size,
    mtime: mtime === undefined ? member.mtime : nanosecondsOf(mtime),
    ...(atime !== undefined && { atime: nanosecondsOf(atime) }),
    ...(realSize !== undefined && { realSize }),
    xattrs: new Map(
      [...records]
        .filter(([key]) => key.startsWith(XATTR))
        .map(([key, value]) => [nameOf(key.slice(XATTR.length)), value]),
    ),
  }
}

/**
 * Names are bytes on a disk, and text here. Those that are not UTF-8 become text that no file can have, so that whoever makes one
 * of it refuses it; with the usual replacement character they would become other names.
 */
function textOf(bytes: Buffer): string {
  const text = bytes.toString()
  return isUtf8(bytes) ? text : text.replaceAll('\ufffd', '\udcff')
}

function parseRecords(extended: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < extended.length; ) {
    const space = extended.indexOf(' ', at)
    const length = Number(extended.toString('latin1', at, space))
    if (space === -1 || !(length > 0) || at + length > extended.length) {
      throw new Error('an extended header of the archive is broken')
    }
    const equals = extended.indexOf('=', space)
    records.set(
      textOf(extended.subarray(space + 1, equals)),
      extended.subarray(equals + 1, at + length - 1),
    )
    at += length
  }
  return records
}

function checksum(block: Buffer): number {
  let sum = 8 * 32
  for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte
  return sum
}

/** Seconds with a fraction: exact, before 1970 with a minus in front of the whole. */
function decimal(time: Nanoseconds): string {
  const absolute = time < 0n ? -time : time
  const fraction = String(absolute % 1_000_000_000n).padStart(9, '0')
  return `${time < 0n ? '-' : ''}${absolute / 1_000_000_000n}.${fraction}`
}

function nanosecondsOf(text: string): Nanoseconds {
  const [, sign, seconds = '0', fraction = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text) ?? []
  const absolute = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
  return sign === '-' ? -absolute : absolute
}

/** The two halves of a device number, as makedev(3) packs them in 32 bits. */
function device(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) }
}

function makedev(major: number, minor: number): number {
  return (((minor & 0xfff00) << 12) | ((major & 0xfff) << 8) | (minor & 0xff)) >>> 0
}
