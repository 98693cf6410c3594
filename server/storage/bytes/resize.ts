import type { InodeRow } from '../../database/files/inode-rows.js'
import { detach, requireUnheld, unlessHeld } from '../content/hold.js'
import { allocatedAt, recounted } from '../content/holes.js'
import { cutAfterLog, cutLeftovers } from '../content/leftovers.js'
import { dropContent, moveToFile, STORED, smallContent } from '../content/stored.js'
import { putBack } from '../content/undo.js'
import { failure } from '../failure.js'
import { fileRow, mustHold } from '../inodes/access.js'
import { asSeen, withChanges } from '../inodes/attributes.js'
import { modified, unprivileged } from '../inodes/inode.js'
import { bytesOf } from '../inodes/links.js'
import { checkAttributes } from '../inodes/new-inode.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { placeOf } from '../parts/place.js'
import { checkRoom, checkSize } from '../parts/room.js'
import type { AttributeChanges, Ino, Origin, Precondition } from '../storage.js'

/** truncate(2) in both directions, and what else changes with it, as one step. What it adds is a hole. */
export async function resize(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  changes: AttributeChanges & { readonly size: number },
  precondition: Precondition,
  origin: Origin,
): Promise<InodeRow> {
  checkAttributes(changes)
  checkSize(changes.size)
  fileRow(engine, tree, ino)
  // Taken outside of the transaction, as Numbers demands; spare if the file is not emptied.
  const generation = changes.size === 0 ? engine.generations.next() : undefined
  const resizing = { engine, tree, ino, changes, precondition, origin, generation }
  try {
    return await engine.locks.hold(ino, async () => {
      if (engine.unrestored.has(ino)) await putBack(engine, ino)
      const row = fileRow(engine, tree, ino)
      mustHold(precondition, row)
      const isCommitAlone =
        row.stored === STORED.nowhere || changes.size === 0 || changes.size === row.size
      if (isCommitAlone) return commit(resizing)
      const isSmall = changes.size <= Math.max(engine.smallBytes, row.size)
      if (row.stored === STORED.database && isSmall) return commit(resizing)
      if (changes.size > row.size) return await grow(resizing, await moveToFile(engine, row))
      return await unlessHeld(() => shrink(resizing))
    })
  } catch (error) {
    throw failure(error)
  }
}

interface Resizing {
  readonly engine: Engine
  readonly tree: TreeId
  readonly ino: Ino
  readonly changes: AttributeChanges & { readonly size: number }
  readonly precondition: Precondition
  readonly origin: Origin
  readonly generation: number | undefined
}

/** The content file first: its length is never less than the size. */
async function grow(resizing: Resizing, row: InodeRow): Promise<InodeRow> {
  const { engine, tree, changes } = resizing
  checkRoom(engine, tree, { bytes: changes.size - row.size, inodes: 0 })
  const handle = engine.contents.acquire(row.generation)
  try {
    await cutLeftovers(engine, row, handle)
    await engine.disk.truncate(handle.fd, changes.size)
    return commit(resizing)
  } catch (error) {
    await engine.disk.truncate(handle.fd, row.size).catch(() => {})
    throw error
  } finally {
    engine.contents.release(handle)
  }
}

/** The metadata first: bytes beyond the size are never shown, so it does not matter if the file stays longer. */
async function shrink(resizing: Resizing): Promise<InodeRow> {
  const { engine, tree, ino, changes } = resizing
  const row = await detach(engine, fileRow(engine, tree, ino))
  const handle = engine.contents.acquire(row.generation)
  try {
    const after = commit(resizing, () => requireUnheld(engine, row.generation))
    await cutAfterLog(engine, handle, changes.size)
    return row.allocated === null ? after : recounted(engine, after)
  } finally {
    engine.contents.release(handle)
  }
}

/** An emptied file gets a new generation: who reads the old content may read on. */
function commit(resizing: Resizing, check = () => {}): InodeRow {
  const { engine, tree, ino, changes, precondition, origin, generation } = resizing
  const now = engine.clock()
  return engine.transactions.run(() => {
    const row = fileRow(engine, tree, ino)
    mustHold(precondition, row)
    check()
    const emptied =
      generation === undefined || row.stored === STORED.nowhere
        ? { allocated: allocatedAt(engine, row, changes.size) }
        : { generation, stored: STORED.nowhere, allocated: null }
    const resized: InodeRow = {
      ...row,
      ...modified(now),
      ...emptied,
      ...unprivileged(row),
      size: changes.size,
      version: changes.size === row.size ? row.version : engine.versions.after(row.version),
    }
    const after = withChanges(resized, asSeen(row, changes), now)
    engine.sql.updateInode.run(after)
    if (after.generation !== row.generation) dropContent(engine, row)
    else if (row.stored === STORED.database) {
      const data = Buffer.alloc(after.size)
      smallContent(engine, row).copy(data)
      engine.sql.setSmallContent.run(row.ino, data)
    } else if (row.stored === STORED.file) {
      engine.transactions.afterwards(() => engine.durability.touched(row.generation))
    }
    const usage = { bytes: bytesOf(after) - bytesOf(row), inodes: 0 }
    engine.log.note(tree.id, { kind: 'content', ino, place: placeOf(engine, ino) }, usage, origin)
    return after
  })
}
