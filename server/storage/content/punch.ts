import type { Handle } from '../disk/contents.js'
import { blocks } from '../disk/sparse.js'
import type { Engine } from '../parts/engine.js'

const CHUNK = 256 * 1024

/**
 * Makes zeros of a range, and frees its room if the file system can make holes, or the range reaches the end of the content.
 * Done twice it is as if done once: a crash in the middle is followed by another attempt.
 */
export async function punch(
  engine: Engine,
  handle: Handle,
  position: number,
  length: number,
): Promise<void> {
  const { disk } = engine
  const { length: all } = disk.stat(handle.fd)
  const end = Math.min(position + length, all)
  if (end <= position) return
  if (await disk.punch(handle.fd, position, end - position)) return
  if (end === all) {
    await disk.truncate(handle.fd, position)
    await disk.truncate(handle.fd, all)
    return
  }
  await zeros(engine, handle, position, end)
}

/** What is zeros already is left alone: it may be a hole. */
async function zeros({ disk }: Engine, handle: Handle, start: number, end: number): Promise<void> {
  for (let position = start; position < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - position))
    const bytes = await disk.read(handle.fd, buffer, position)
    if (bytes === 0) return
    for (const { at, piece, isZero } of blocks(buffer.subarray(0, bytes), position)) {
      if (!isZero) await disk.write(handle.fd, [piece.fill(0)], position + at)
    }
    position += bytes
  }
}
