import type { UploadRow } from '../../database/files/uploads.js'
import { FileError } from '../../errors.js'
import { isErrno } from '../disk/disk.js'
import { failure } from '../failure.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { checkRoom } from '../parts/room.js'
import type { Ino, UploadRecord, UploadsUnderWay } from '../storage.js'

/** Finished uploads that are remembered, so that a client whose last answer was lost learns that it was done. */
const MAX_FINISHED = 2000
/** Expired uploads taken away in one step. */
const PAGE = 100
const READ_BYTES = 256 * 1024

/** Which upload a content belongs to that is made in several requests. Its file holds what has come, nothing more. */
export interface Resumed {
  readonly id: string
  readonly generation: number
  readonly written: number
  readonly replaced: number
}

export function begin(
  engine: Engine,
  tree: TreeId,
  record: UploadRecord,
  generation: number,
  replaces: Ino | undefined,
): void {
  const { sql, transactions } = engine
  const { id, length, details, expires } = record
  transactions.run(() => {
    sql.insertUpload.run(
      id,
      tree.id,
      generation,
      length,
      details,
      replaces ?? null,
      Math.ceil(expires.getTime() / 1000),
    )
    sql.forgetFinishedUploads.run(MAX_FINISHED)
    // together with all that are under way, or these would keep a quota many times over
    const bytes = sql.bytesUnderWay.get(tree.id, engine.clock().sec)?.bytes ?? 0
    checkRoom(engine, tree, { bytes, inodes: 0 }, engine.claims.of(tree.id))
  })
}

/** An upload of this tree that has not expired. */
export function uploadRow(engine: Engine, tree: TreeId, id: string): UploadRow | undefined {
  const row = engine.sql.uploadRow.get(id)
  return row?.tree === tree.id && row.expires > engine.clock().sec ? row : undefined
}

/** What of an upload is on the disk. */
export function resumed(engine: Engine, row: UploadRow, replaced: number): Resumed {
  const { id, generation, length } = row
  return { id, generation, written: Math.min(lengthOf(engine, generation), length), replaced }
}

function lengthOf({ contents, disk }: Engine, generation: number): number {
  try {
    const handle = contents.acquire(generation)
    try {
      return disk.stat(handle.fd).length
    } finally {
      contents.release(handle)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0 // no byte has come yet
    throw error
  }
}

/** What of an upload is on the disk, from the beginning. */
export async function* contentOf(
  { contents, disk }: Engine,
  generation: number,
  size: number,
): AsyncGenerator<readonly Buffer[]> {
  if (size === 0) return
  const handle = contents.acquire(generation)
  try {
    for (let position = 0; position < size; ) {
      const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, size - position))
      const bytes = await disk.read(handle.fd, piece, position)
      if (bytes < piece.length) throw new FileError('EIO', 'the upload became shorter on the disk')
      position += bytes
      yield [piece]
    }
  } catch (error) {
    throw failure(error)
  } finally {
    contents.release(handle)
  }
}

export function underWay(engine: Engine, tree: TreeId): UploadsUnderWay {
  const row = engine.sql.uploadsUnderWay.get(tree.id, engine.clock().sec)
  return { own: row?.own ?? 0, all: row?.all ?? 0 }
}

/** Takes away uploads whose client did not come again in time. */
export function sweepUploads(engine: Engine): void {
  for (;;) {
    const page = engine.sql.expiredUploads.all(engine.clock().sec, PAGE)
    const idle = page.filter(({ id }) => !engine.uploading.has(id))
    for (const { id, generation, finished } of idle) {
      engine.sql.deleteUpload.run(id)
      if (finished === null) engine.contents.retire(generation)
    }
    if (idle.length === 0) return
  }
}
