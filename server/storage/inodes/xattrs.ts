import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import type { Engine, TreeId } from '../parts/engine.js'
import type { Ino, Origin, ValuePrecondition, XattrMode } from '../storage.js'
import { inodeRow } from './access.js'
import { noteAttributes } from './attributes.js'
import { changed } from './inode.js'

/** Limits of linux/limits.h: of a name, a value, and all names of an inode with a NUL after each. */
const XATTR_NAME_MAX = 255
const XATTR_SIZE_MAX = 65_536
const XATTR_LIST_MAX = 65_536

interface Setting {
  readonly name: string
  readonly value: Buffer
  readonly mode: XattrMode
  readonly precondition: ValuePrecondition
}

export function getXattr(engine: Engine, tree: TreeId, ino: Ino, name: string): Buffer {
  inodeRow(engine, tree, ino)
  checkName(name)
  const found = engine.sql.xattr.get(ino, name)
  if (found === undefined) throw absent(name)
  return found.value
}

export function listXattrs(engine: Engine, tree: TreeId, ino: Ino): string[] {
  inodeRow(engine, tree, ino)
  return engine.sql.xattrSizes.all(ino).map(({ name }) => name)
}

/** setxattr(2). */
export function setXattr(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  { name, value, mode, precondition }: Setting,
  origin: Origin,
): InodeRow {
  check(name, value)
  return engine.transactions.run(() => {
    const row = inodeRow(engine, tree, ino)
    const present = engine.sql.xattrSizes.all(ino)
    const old = present.find((attribute) => attribute.name === name)
    if (mode === 'create' && old !== undefined) {
      throw new FileError('EEXIST', `the attribute "${name}" exists`)
    }
    if (mode === 'replace' && old === undefined) throw absent(name)
    precondition(engine.sql.xattr.get(ino, name)?.value)
    if (old === undefined) checkList([...present.map((attribute) => attribute.name), name])
    engine.sql.setXattr.run(ino, name, value)
    return touched(engine, tree, row, value.length - (old?.bytes ?? 0), origin)
  })
}

/** Within a transaction: those of a new inode. @returns how many bytes they count @throws as `setXattr` */
export function insertXattrs(
  engine: Engine,
  ino: Ino,
  xattrs: ReadonlyMap<string, Buffer> | undefined,
): number {
  if (xattrs === undefined) return 0
  let bytes = 0
  checkList([...xattrs.keys()])
  for (const [name, value] of xattrs) {
    check(name, value)
    engine.sql.setXattr.run(ino, name, value)
    bytes += value.length
  }
  return bytes
}

export function removeXattr(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  name: string,
  precondition: ValuePrecondition,
  origin: Origin,
): InodeRow {
  checkName(name)
  return engine.transactions.run(() => {
    const row = inodeRow(engine, tree, ino)
    const old = engine.sql.xattr.get(ino, name)
    if (old === undefined) throw absent(name)
    precondition(old.value)
    engine.sql.removeXattr.run(ino, name)
    return touched(engine, tree, row, -old.value.length, origin)
  })
}

/** Values count against the quota of bytes. */
function touched(engine: Engine, tree: TreeId, row: InodeRow, bytes: number, origin: Origin) {
  const after = { ...row, ...changed(engine.clock()) }
  engine.sql.updateInode.run(after)
  noteAttributes(engine, tree, row.ino, { bytes, inodes: 0 }, origin)
  return after
}

function check(name: string, value: Buffer): void {
  checkName(name)
  if (value.length > XATTR_SIZE_MAX) {
    throw new FileError('E2BIG', `the value of an attribute is at most ${XATTR_SIZE_MAX} bytes`)
  }
}

function checkList(names: readonly string[]): void {
  const list = names.reduce((sum, name) => sum + Buffer.byteLength(name) + 1, 0)
  if (list > XATTR_LIST_MAX) throw new FileError('ENOSPC', 'the inode has too many attributes')
}

function checkName(name: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0 || bytes > XATTR_NAME_MAX) {
    throw new FileError('ERANGE', `the name of an attribute is 1 to ${XATTR_NAME_MAX} bytes`)
  }
  if (name.includes('\0') || !name.isWellFormed()) {
    throw new FileError('EINVAL', 'the name of an attribute must be UTF-8 without NUL')
  }
}

function absent(name: string): FileError {
  return new FileError('ENODATA', `there is no attribute "${name}"`)
}
