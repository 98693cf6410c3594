import type { InodeRow } from '../../database/files/inode-rows.js'
import { detach, requireUnheld, unlessHeld } from '../content/hold.js'
import { recounted } from '../content/holes.js'
import { cutAfterLog, cutLeftovers } from '../content/leftovers.js'
import { moveToFile, STORED, smallContent } from '../content/stored.js'
import { copyBytes, forgetUndo, putBack, type Region, saveUndo } from '../content/undo.js'
import type { Handle } from '../disk/contents.js'
import { failure } from '../failure.js'
import { fileRow, mustHold } from '../inodes/access.js'
import { asSeen, setAttributes, withChanges } from '../inodes/attributes.js'
import { withContent } from '../inodes/inode.js'
import { checkAttributes } from '../inodes/new-inode.js'
import type { Timespec } from '../parts/clock.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { placeOf } from '../parts/place.js'
import { checkSize } from '../parts/room.js'
import { WriteClaim } from '../parts/write-claim.js'
import {
  type AttributeChanges,
  append,
  type ExpectedWrite,
  type Ino,
  type Origin,
  type Precondition,
  type WriteParts,
} from '../storage.js'
import { type Gathered, gather, type Piece } from './gather.js'
import { resize } from './resize.js'
import { type Placed, runs } from './runs.js'

/** Writes of so many bytes are done in one tick. */
const SMALL = 128 * 1024

/** pwrite(2) for each part, and what else changes with them, as one step. */
export async function write(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  parts: WriteParts,
  terms: WriteTerms,
): Promise<InodeRow> {
  const { precondition, origin, changes, expected } = terms
  const { size } = changes
  checkAttributes(changes)
  if (size !== undefined) checkSize(size)
  const row = fileRow(engine, tree, ino)
  mustHold(precondition, row)
  const claim = new WriteClaim(engine, tree, row, size)
  try {
    const gathered = await gather(engine, parts, claim, expected)
    if (gathered.pieces.length === 0) {
      return size === undefined
        ? setAttributes(engine, tree, ino, changes, precondition, origin)
        : await resize(engine, tree, ino, { ...changes, size }, precondition, origin)
    }
    try {
      return await engine.locks.hold(ino, () =>
        unlessHeld(() =>
          writeGathered({ engine, tree, ino, gathered, claim, precondition, origin, changes }),
        ),
      )
    } finally {
      gathered.end()
    }
  } catch (error) {
    throw failure(error)
  } finally {
    claim.end()
  }
}

/** How parts are to become content. */
export interface WriteTerms {
  readonly precondition: Precondition
  readonly origin: Origin
  readonly changes: AttributeChanges
  readonly expected: ExpectedWrite
}

interface Write {
  readonly engine: Engine
  readonly tree: TreeId
  readonly ino: Ino
  readonly gathered: Gathered
  readonly claim: WriteClaim
  readonly precondition: Precondition
  readonly origin: Origin
  readonly changes: AttributeChanges
  /** Of the content, if that is, or becomes, a file. */
  readonly generation?: number
}

async function writeGathered(asked: Write): Promise<InodeRow> {
  const { engine, tree, ino, gathered, claim, precondition, changes } = asked
  if (engine.unrestored.has(ino)) await putBack(engine, ino)
  let row = fileRow(engine, tree, ino)
  mustHold(precondition, row)
  const { placed, end } = placePieces(gathered.pieces, row.size)
  const size = changes.size ?? end
  checkSize(end)
  claim.require(size - row.size)
  const bytes = { placed, end, size, regions: [] as Region[] }
  const isTiny = Math.max(end, size) <= engine.smallBytes && gathered.spool === undefined
  if (row.stored !== STORED.file && isTiny) return commit(asked, size, placed)
  row = await moveToFile(engine, row)
  bytes.regions = overwritten(placed, row)
  if (bytes.regions.length > 0 || size < row.size) row = await detach(engine, row)
  const { contents } = engine
  const isNew = row.stored !== STORED.file
  if (isNew) row = { ...row, generation: engine.generations.next() }
  const handle = isNew ? contents.create(row.generation) : contents.acquire(row.generation)
  const write = { ...asked, generation: row.generation }
  const open = bytes.regions.length > 0 ? await engine.gate.close(ino) : () => {}
  try {
    const isSmall = gathered.bytes <= SMALL && gathered.spool === undefined && size === end
    return isSmall
      ? await writeSmall(write, row, handle, bytes)
      : await writeLarge(write, row, handle, bytes)
  } finally {
    open()
    contents.release(handle)
  }
}

interface Bytes {
  readonly placed: readonly Placed[]
  /** Where the file ends once all are written. */
  readonly end: number
  /** Where it is to end. */
  readonly size: number
  readonly regions: readonly Region[]
}

async function writeSmall(
  write: Write,
  row: InodeRow,
  handle: Handle,
  { placed, end, regions }: Bytes,
): Promise<InodeRow> {
  const { engine } = write
  try {
    await cutLeftovers(engine, row, handle)
    await saveUndo(engine, row, handle, regions)
    // From here to the commit nothing is awaited.
    for (const { piece, position } of placed) {
      if (piece.data !== undefined) engine.disk.writeSync(handle.fd, piece.data, position)
    }
    return commit(write, end)
  } catch (error) {
    await takeBack(engine, row, handle)
    throw error
  }
}

async function writeLarge(
  write: Write,
  row: InodeRow,
  handle: Handle,
  { placed, end, size, regions }: Bytes,
): Promise<InodeRow> {
  const { engine, gathered } = write
  try {
    await cutLeftovers(engine, row, handle)
    await saveUndo(engine, row, handle, regions)
    for (const run of runs(placed)) {
      if (run.kind === 'memory') await engine.disk.write(handle.fd, run.data, run.position)
      else if (gathered.spool !== undefined) {
        await copyBytes(engine, gathered.spool, run.at, handle, run.position, run.length)
      }
    }
    if (size > end) await engine.disk.truncate(handle.fd, size)
    const after = commit(write, size)
    if (size >= Math.max(end, row.size)) return after
    await cutAfterLog(engine, handle, size)
    return row.allocated === null ? after : recounted(engine, after)
  } catch (error) {
    await takeBack(engine, row, handle)
    throw error
  }
}

/**
 * The one transaction of a write: from here on it has happened.
 * @param small pieces of a content that is, or will be, in the database
 */
function commit(write: Write, size: number, small?: readonly Placed[]): InodeRow {
  const { engine, tree, ino, claim, gathered, precondition, origin, changes } = write
  const now: Timespec = engine.clock()
  return engine.transactions.run(() => {
    const row = fileRow(engine, tree, ino)
    mustHold(precondition, row)
    const generation = write.generation ?? row.generation
    if (row.stored === STORED.file && size < row.size) requireUnheld(engine, generation)
    const stored = small === undefined ? STORED.file : size === 0 ? STORED.nowhere : STORED.database
    const isSparse = small === undefined && (row.allocated !== null || leavesGap(write, row, size))
    const allocated = isSparse ? engine.contents.holed(generation, size) : null
    const written = withContent(engine, row, now, { size, stored, generation, allocated })
    const asked = asSeen(row, changes)
    const after = withChanges(written, asked, now)
    engine.sql.updateInode.run(after)
    if (small === undefined) forgetUndo(engine, ino)
    else if (size === 0) engine.sql.deleteSmallContent.run(ino)
    else engine.sql.rewriteSmallContent.run(ino, rewritten(engine, row, small, size))
    const usage = { bytes: size - row.size, inodes: 0 }
    engine.log.note(tree.id, { kind: 'content', ino, place: placeOf(engine, ino) }, usage, origin)
    engine.transactions.afterwards(() => claim.happened())
    if (small === undefined) {
      const how = row.stored === STORED.file && size <= row.size ? 'over' : 'anyhow'
      engine.transactions.afterwards(() =>
        engine.durability.touched(generation, gathered.bytes, how),
      )
    }
    return after
  })
}

/** Whether the file is longer afterwards than what was written one after the other. */
function leavesGap({ gathered }: Write, row: InodeRow, size: number): boolean {
  if (row.stored === STORED.nowhere && row.size > 0) return true
  let end = row.size
  for (const { offset, length } of gathered.pieces) {
    const position = offset === append ? end : offset
    if (position > end) return true
    end = Math.max(end, position + length)
  }
  return size > end
}

/** After a failure: the old bytes where they were, and nothing beyond the old end. */
async function takeBack(engine: Engine, row: InodeRow, handle: Handle): Promise<void> {
  try {
    await putBack(engine, row.ino)
  } catch {
    // The old bytes stay saved: nobody reads the file before they are back.
    engine.unrestored.add(row.ino)
  }
  if (row.stored !== STORED.file) {
    engine.contents.discard(row.generation)
    return
  }
  // Frees the space; were it to fail, the next write cuts the leftovers before it extends the file.
  await engine.disk.truncate(handle.fd, row.size).catch(() => {})
}

/** A small content with pieces written over it, cut or extended to its size. */
function rewritten(engine: Engine, row: InodeRow, placed: readonly Placed[], size: number): Buffer {
  const end = placed.map(({ piece, position }) => position + piece.length)
  const data = Buffer.alloc(Math.max(size, row.size, ...end))
  if (row.stored === STORED.database) smallContent(engine, row).copy(data)
  for (const { piece, position } of placed) piece.data?.copy(data, position)
  return data.subarray(0, size)
}

function placePieces(pieces: readonly Piece[], size: number): { placed: Placed[]; end: number } {
  let end = size
  const placed = pieces.map((piece) => {
    const position = piece.offset === append ? end : piece.offset
    end = Math.max(end, position + piece.length)
    return { piece, position }
  })
  return { placed, end }
}

/** Bytes of the file that pieces overwrite; a file without content has none. */
function overwritten(placed: readonly Placed[], row: InodeRow): Region[] {
  if (row.stored !== STORED.file) return []
  return runs(placed)
    .map(({ position, length }) => {
      return { position, length: Math.min(position + length, row.size) - position }
    })
    .filter(({ length }) => length > 0)
}
