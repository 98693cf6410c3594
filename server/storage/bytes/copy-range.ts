import type { InodeRow } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import { dropContent, STORED } from '../content/stored.js'
import { forgetUndo, settled } from '../content/undo.js'
import { failure } from '../failure.js'
import { fileRow, mustHold } from '../inodes/access.js'
import { withContent } from '../inodes/inode.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { placeOf } from '../parts/place.js'
import { checkRoom, checkSize } from '../parts/room.js'
import type { CopiedRange, Origin, Precondition, WritePart } from '../storage.js'
import { open } from './open.js'
import { write } from './write.js'

/** The most bytes one step copies, unless they can be shared: they wait in memory, as those of any write do. */
const PIECE = 8 * 1024 * 1024
const CHUNK = 1024 * 1024

/**
 * copy_file_range(2): one write of bytes that are here already; fewer than asked at the end of the source, or where it is
 * much. All of a file that goes into an empty one is shared with it (ioctl_ficlone(2)) where the file system can.
 */
export async function copyRange(
  engine: Engine,
  tree: TreeId,
  { from, to, length }: CopiedRange,
  precondition: Precondition,
  origin: Origin,
): Promise<{ row: InodeRow; bytes: number }> {
  for (const size of [from.offset, to.offset, length]) checkSize(size)
  const source = fileRow(engine, tree, from.ino)
  const target = fileRow(engine, tree, to.ino)
  const available = Math.min(length, source.size - from.offset)
  if (available <= 0) {
    mustHold(precondition, target)
    return { row: target, bytes: 0 }
  }
  checkSize(to.offset + available)
  if (from.ino === to.ino && Math.abs(from.offset - to.offset) < available) {
    throw new FileError('EINVAL', 'the two ranges of the file overlap')
  }
  const isWhole = from.offset === 0 && to.offset === 0 && available === source.size
  if (isWhole && source.stored === STORED.file && target.size === 0) {
    const row = await clone(engine, tree, source, target, precondition, origin)
    if (row !== undefined) return { row, bytes: row.size }
  }
  const bytes = Math.min(available, PIECE)
  const parts = bytesOf(engine, tree, from, to.offset, bytes)
  const expected = { offset: to.offset, length: bytes }
  const terms = { precondition, origin, changes: {}, expected }
  return { row: await write(engine, tree, to.ino, parts, terms), bytes }
}

async function* bytesOf(
  engine: Engine,
  tree: TreeId,
  from: CopiedRange['from'],
  offset: number,
  bytes: number,
): AsyncGenerator<readonly WritePart[]> {
  const content = open(engine, tree, from.ino)
  try {
    for (let done = 0; done < bytes; ) {
      const data = await content.read(from.offset + done, Math.min(CHUNK, bytes - done))
      if (data.length === 0) throw new FileError('EBUSY', 'the file became shorter meanwhile')
      yield [{ offset: offset + done, data }]
      done += data.length
    }
  } finally {
    await content.close()
  }
}

/** @returns undefined where bytes cannot be shared, or the files are no longer as they were */
async function clone(
  engine: Engine,
  tree: TreeId,
  source: InodeRow,
  target: InodeRow,
  precondition: Precondition,
  origin: Origin,
): Promise<InodeRow | undefined> {
  checkRoom(engine, tree, { bytes: source.size, inodes: 0 })
  await settled(engine, source.ino)
  const generation = engine.generations.next()
  const cloned = await engine.locks.hold(source.ino, async () => {
    const { size, stored, generation: from } = fileRow(engine, tree, source.ino)
    if (size !== source.size || stored !== STORED.file || engine.unrestored.has(source.ino)) {
      return false
    }
    return engine.contents.share(from, generation)
  })
  if (!cloned) return undefined
  try {
    const row = await engine.locks.hold(target.ino, async () =>
      commit(engine, tree, target.ino, generation, source.size, precondition, origin),
    )
    if (row === undefined) engine.contents.discard(generation)
    return row
  } catch (error) {
    engine.contents.discard(generation)
    throw failure(error)
  }
}

/** @returns undefined if the file is not empty any more */
function commit(
  engine: Engine,
  tree: TreeId,
  ino: number,
  generation: number,
  size: number,
  precondition: Precondition,
  origin: Origin,
): InodeRow | undefined {
  const now = engine.clock()
  return engine.transactions.run(() => {
    const row = fileRow(engine, tree, ino)
    mustHold(precondition, row)
    if (row.size > 0) return undefined
    const allocated = engine.contents.holed(generation, size)
    const after = withContent(engine, row, now, {
      size,
      generation,
      stored: STORED.file,
      allocated,
    })
    engine.sql.updateInode.run(after)
    dropContent(engine, row)
    forgetUndo(engine, ino)
    const usage = { bytes: size, inodes: 0 }
    engine.log.note(tree.id, { kind: 'content', ino, place: placeOf(engine, ino) }, usage, origin)
    engine.transactions.afterwards(() => engine.durability.touched(generation))
    return after
  })
}
