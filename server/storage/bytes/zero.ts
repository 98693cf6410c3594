import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { detach, requireUnheld, unlessHeld } from '../content/hold.js'
import { allocatedAt, recounted } from '../content/holes.js'
import { cutLeftovers } from '../content/leftovers.js'
import { moveToFile, STORED, smallContent } from '../content/stored.js'
import { putBack } from '../content/undo.js'
import { failure } from '../failure.js'
import { fileRow, mustHold } from '../inodes/access.js'
import { withContent } from '../inodes/inode.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { placeOf } from '../parts/place.js'
import { checkRoom, checkSize } from '../parts/room.js'
import type { Ino, Origin, Precondition, ZeroRange } from '../storage.js'

/** fallocate(2) with FALLOC_FL_PUNCH_HOLE or FALLOC_FL_ZERO_RANGE: a range of zeros, whose room is freed where it can be. */
export async function zero(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  range: ZeroRange,
  precondition: Precondition,
  origin: Origin,
): Promise<InodeRow> {
  const { offset, length } = range
  for (const size of [offset, length, offset + length]) checkSize(size)
  if (length === 0) throw new FileError('EINVAL', 'a range of zeros must not be empty')
  const zeroing = { engine, tree, ino, range, precondition, origin }
  try {
    return await engine.locks.hold(ino, () => unlessHeld(() => zeroed(zeroing)))
  } catch (error) {
    throw failure(error)
  }
}

interface Zeroing {
  readonly engine: Engine
  readonly tree: TreeId
  readonly ino: Ino
  readonly range: ZeroRange
  readonly precondition: Precondition
  readonly origin: Origin
}

async function zeroed(zeroing: Zeroing): Promise<InodeRow> {
  const { engine, tree, ino, range, precondition } = zeroing
  if (engine.unrestored.has(ino)) await putBack(engine, ino)
  let row = fileRow(engine, tree, ino)
  mustHold(precondition, row)
  const size = sizeAfter(row, range)
  checkRoom(engine, tree, { bytes: size - row.size, inodes: 0 })
  if (row.stored === STORED.nowhere) return commit(zeroing, size)
  if (row.stored === STORED.database) {
    if (size <= Math.max(engine.smallBytes, row.size)) return commit(zeroing, size)
    row = await moveToFile(engine, row)
  }
  if (range.offset < row.size) row = await detach(engine, row)
  const handle = engine.contents.acquire(row.generation)
  const open = await engine.gate.close(ino)
  try {
    if (size > row.size) {
      await cutLeftovers(engine, row, handle)
      await engine.disk.truncate(handle.fd, size)
    }
    const after = commit(zeroing, size)
    try {
      await putBack(engine, ino)
    } catch {
      // It has happened, and is done before anybody reads the file.
      engine.unrestored.add(ino)
      return after
    }
    return recounted(engine, after)
  } finally {
    open()
    engine.contents.release(handle)
  }
}

function sizeAfter(row: InodeRow, { offset, length, extend }: ZeroRange): number {
  return extend ? Math.max(row.size, offset + length) : row.size
}

/**
 * From here on it has happened. Of a content in a file the transaction only says what is to be zeros, as it says of a write
 * what is to be put back: it is done at once, and again at the next start if it was not done by then.
 */
function commit({ engine, tree, ino, range, precondition, origin }: Zeroing, size: number) {
  const now = engine.clock()
  return engine.transactions.run(() => {
    const row = fileRow(engine, tree, ino)
    mustHold(precondition, row)
    const after = withContent(engine, row, now, { size, allocated: allocatedAt(engine, row, size) })
    engine.sql.updateInode.run(after)
    const end = Math.min(range.offset + range.length, row.size)
    if (row.stored === STORED.database) {
      const data = Buffer.alloc(size)
      smallContent(engine, row).copy(data)
      engine.sql.setSmallContent.run(ino, data.fill(0, Math.min(range.offset, size), end))
    } else if (row.stored === STORED.file && end > range.offset) {
      requireUnheld(engine, row.generation)
      const length = end - range.offset
      engine.sql.insertUndo.run(ino, row.generation, range.offset, length, null, null, null)
    }
    if (row.stored === STORED.file) {
      engine.transactions.afterwards(() => engine.durability.touched(row.generation))
    }
    const usage = { bytes: size - row.size, inodes: 0 }
    engine.log.note(tree.id, { kind: 'content', ino, place: placeOf(engine, ino) }, usage, origin)
    return after
  })
}
