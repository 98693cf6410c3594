import { STORED } from '../content/stored.js'
import { settled } from '../content/undo.js'
import { blocks } from '../disk/sparse.js'
import { failure } from '../failure.js'
import { fileRow } from '../inodes/access.js'
import type { Engine, TreeId } from '../parts/engine.js'
import type { Ino } from '../storage.js'

const CHUNK = 256 * 1024
/** Without lseek(2) so much is read to find what is asked for; zeros after that count as data, as they may. */
const SEARCHED_BYTES = 64 * 1024 * 1024

/** lseek(2) with SEEK_DATA or SEEK_HOLE. The end of the file is a hole. @returns undefined for ENXIO */
export async function seek(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  position: number,
  what: 'data' | 'hole',
): Promise<number | undefined> {
  await settled(engine, ino)
  const row = fileRow(engine, tree, ino)
  if (position < 0 || position >= row.size) return undefined
  if (row.stored === STORED.nowhere) return what === 'hole' ? position : undefined
  if (row.stored === STORED.database || row.allocated === null) {
    return what === 'data' ? position : row.size
  }
  const handle = engine.contents.acquire(row.generation)
  try {
    const found = await engine.disk.seek(handle.fd, position, what)
    if (found.kind === 'unknown') return await search(engine, handle.fd, position, row.size, what)
    if (found.kind === 'found' && found.position < row.size) return found.position
    return what === 'hole' ? row.size : undefined
  } catch (error) {
    throw failure(error)
  } finally {
    engine.contents.release(handle)
  }
}

/** Looks for a block that is, or is not, all zeros. */
async function search(
  engine: Engine,
  fd: number,
  start: number,
  size: number,
  what: 'data' | 'hole',
): Promise<number | undefined> {
  const end = Math.min(size, start + SEARCHED_BYTES)
  for (let position = start; position < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - position))
    const bytes = await engine.disk.read(fd, buffer, position)
    for (const { at, isZero } of blocks(buffer.subarray(0, bytes), position)) {
      if (isZero === (what === 'hole')) return position + at
    }
    if (bytes === 0) break
    position += bytes
  }
  if (end < size) return end
  return what === 'hole' ? size : undefined
}
