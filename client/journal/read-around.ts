import type { FileHandle } from 'node:fs/promises'
import { codeOf } from '../error-of.js'

/** What the kernel reads, and loses, at a time. */
const PAGE = 4096

/**
 * What the disk lets be read, with zeros for what it does not: one bad sector is no reason to give up what stands around it. Fewer bytes
 * only at the end of the file.
 * @throws what a disk says that lets nothing be read
 */
export async function readAround(
  file: FileHandle,
  offset: number,
  length: number,
): Promise<Buffer> {
  const data = Buffer.alloc(length)
  let most = length
  for (let at = 0; at < length; ) {
    const end = Math.min(length, at + most)
    try {
      const { bytesRead } = await file.read(data, at, end - at, offset + at)
      if (bytesRead === 0) return data.subarray(0, at)
      at += bytesRead
    } catch (error) {
      if (!(await isBadSector(file, error))) throw error
      if (most > PAGE) most = PAGE - ((offset + at) % PAGE)
      else at = end
    }
    if (most < PAGE && (offset + at) % PAGE === 0) most = PAGE
  }
  const { size } = await file.stat()
  return data.subarray(0, Math.max(0, size - offset))
}

/** Whether it is only here that nothing can be read: a disk that has gone is no damaged one, and may come back. */
export async function isBadSector(file: FileHandle, error: unknown): Promise<boolean> {
  if (codeOf(error) !== 'EIO') return false
  try {
    return (await file.read(Buffer.alloc(1), 0, 1, 0)).bytesRead === 1
  } catch {
    return false
  }
}
