import type { InodeRow } from '../../database/files/inode-rows.js'
import type { UndoRow } from '../../database/files/recovery.js'
import { FileError } from '../../errors.js'
import type { Handle } from '../disk/contents.js'
import { isErrno } from '../disk/disk.js'
import type { Engine } from '../parts/engine.js'
import { requireUnheld } from './hold.js'
import { punch } from './punch.js'
import { STORED } from './stored.js'

/** What a write is about to overwrite: bytes that the file has now. */
export interface Region {
  readonly position: number
  readonly length: number
}

/** Up to so many old bytes are saved in the database itself, more in a file. */
const IN_DATABASE = 256 * 1024
const CHUNK = 256 * 1024

/**
 * Saves the bytes that a write in place is about to overwrite. A write that fails, or that a crash cuts short, is put
 * back by them, so it happens whole or not at all. Bytes beyond the end need no such care: nobody sees them before the
 * transaction that moves the end.
 */
export async function saveUndo(
  engine: Engine,
  row: InodeRow,
  handle: Handle,
  regions: readonly Region[],
): Promise<void> {
  const bytes = regions.reduce((sum, { length }) => sum + length, 0)
  if (bytes === 0) return
  if (bytes <= IN_DATABASE) {
    const old = regions.map(({ position, length }) => {
      const data = Buffer.allocUnsafe(length)
      return { position, data: data.subarray(0, engine.disk.readSync(handle.fd, data, position)) }
    })
    engine.transactions.run(() => {
      requireUnheld(engine, row.generation)
      for (const { position, data } of old) {
        const { ino, generation } = row
        engine.sql.insertUndo.run(ino, generation, position, data.length, data, null, null)
      }
    })
    return
  }
  const spool = engine.contents.create(engine.generations.next())
  try {
    const rows = await copyOut(engine, handle, regions, spool)
    engine.transactions.run(() => {
      requireUnheld(engine, row.generation)
      for (const { position, length, at } of rows) {
        const { ino, generation } = row
        engine.sql.insertUndo.run(ino, generation, position, length, null, spool.generation, at)
      }
    })
    engine.contents.release(spool)
  } catch (error) {
    engine.contents.release(spool)
    engine.contents.discard(spool.generation)
    throw error
  }
}

async function copyOut(engine: Engine, from: Handle, regions: readonly Region[], spool: Handle) {
  const rows: (Region & { at: number })[] = []
  let at = 0
  for (const region of regions) {
    await copyBytes(engine, from, region.position, spool, at, region.length)
    rows.push({ ...region, at })
    at += region.length
  }
  return rows
}

/** Copies bytes from one content to another. */
export async function copyBytes(
  engine: Engine,
  from: Handle,
  position: number,
  to: Handle,
  at: number,
  length: number,
): Promise<void> {
  for (let done = 0; done < length; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, length - done))
    const bytes = await engine.disk.read(from.fd, buffer, position + done)
    if (bytes === 0) return
    await engine.disk.write(to.fd, [buffer.subarray(0, bytes)], at + done)
    done += bytes
  }
}

/** Within the transaction that completes a write: there is no way back any more. */
export function forgetUndo(engine: Engine, ino: number): void {
  const spools = new Set(engine.sql.undo.all(ino).map(({ spool }) => spool))
  engine.sql.deleteUndo.run(ino)
  for (const spool of spools) {
    if (spool !== null) engine.transactions.afterwards(() => engine.contents.retire(spool))
  }
}

/** Puts back what an unfinished write of this inode has overwritten. */
export async function putBack(engine: Engine, ino: number): Promise<void> {
  const rows = engine.sql.undo.all(ino)
  if (rows.length === 0) return
  const row = engine.sql.inode.get(ino)
  if (row?.stored === STORED.file && row.generation === rows[0]?.generation) {
    const handle = engine.contents.acquire(row.generation)
    try {
      for (const undo of rows) await restore(engine, handle, undo)
      // zeros were perhaps made by cutting the file
      const { length } = engine.disk.stat(handle.fd)
      if (length < row.size) await engine.disk.truncate(handle.fd, row.size)
      engine.durability.touched(row.generation)
    } finally {
      engine.contents.release(handle)
    }
  }
  engine.transactions.run(() => forgetUndo(engine, ino))
  engine.unrestored.delete(ino)
}

/** A row with neither old bytes nor the place of any stands for zeros. */
async function restore(engine: Engine, handle: Handle, undo: UndoRow): Promise<void> {
  if (undo.data !== null) {
    engine.disk.writeSync(handle.fd, undo.data, undo.position)
    return
  }
  if (undo.spool === null || undo.spool_position === null) {
    await punch(engine, handle, undo.position, undo.length)
    return
  }
  const spool = engine.contents.acquire(undo.spool)
  try {
    await copyBytes(engine, spool, undo.spool_position, handle, undo.position, undo.length)
  } finally {
    engine.contents.release(spool)
  }
}

/** At start, before anybody reads: puts back what a crash left unfinished. */
export async function putBackAll(engine: Engine): Promise<void> {
  for (let undo = engine.sql.lastUndo.get(); undo !== undefined; undo = engine.sql.lastUndo.get()) {
    try {
      await putBack(engine, undo.ino)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
      // The content itself is lost: fsck says so.
      const { ino } = undo
      engine.transactions.run(() => engine.sql.deleteUndo.run(ino))
    }
  }
}

/** Before bytes of an inode are read: waits for a write that is overwriting them, or puts back one that failed. */
export async function settled(engine: Engine, ino: number): Promise<void> {
  await engine.gate.pass(ino)
  if (!engine.unrestored.has(ino)) return
  try {
    await engine.locks.hold(ino, () => putBack(engine, ino))
  } catch (cause) {
    throw new FileError('EIO', 'a failed write could not be put back yet; try again', { cause })
  }
}
