import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { withoutHoles } from '../disk/sparse.js'

/** Copies so many bytes of a file, durably; zeros stay holes. Answers their SHA-256. @throws if there are fewer */
export async function copyHashed(from: string, to: string, bytes: number): Promise<string> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  const target = await open(to, 'w', 0o600)
  try {
    const sha256 = await hashInto(from, bytes, target)
    await target.sync()
    return sha256
  } catch (cause) {
    // What a disk refuses does not name the file, by which people know which disk that is.
    if (!(cause instanceof Error && 'code' in cause)) throw cause
    throw new Error(`cannot copy ${from} to ${to}: ${cause.message}`, { cause })
  } finally {
    await target.close()
  }
}

const CHUNK = 1024 * 1024

/** The SHA-256 of so many bytes of a file. @throws if there are fewer */
export async function hashOf(path: string, bytes: number): Promise<string> {
  return hashInto(path, bytes, undefined)
}

async function hashInto(
  from: string,
  bytes: number,
  target: FileHandle | undefined,
): Promise<string> {
  const hash = createHash('sha256')
  let position = 0
  if (bytes > 0) {
    for await (const chunk of createReadStream(from, { end: bytes - 1, highWaterMark: CHUNK })) {
      const data: Buffer = chunk
      hash.update(data)
      if (target !== undefined) {
        for (const { at, piece } of withoutHoles(data)) {
          await target.write(piece, 0, piece.length, position + at)
        }
      }
      position += data.length
    }
  }
  if (position < bytes) throw new Error(`${from} has ${position} bytes instead of ${bytes}`)
  await target?.truncate(bytes)
  return hash.digest('hex')
}
