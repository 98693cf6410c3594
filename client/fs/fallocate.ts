import { refusal } from './answer.js'
import type { Content } from './content.js'

/** Modes of fallocate(2). */
const KEEP_SIZE = 0x01
const PUNCH_HOLE = 0x02
const ZERO_RANGE = 0x10
const PIECE_BYTES = 1 << 20

/** fallocate(2): room needs no reserving here, so only sizes and zeros are left of it. */
export async function allocate(
  content: Content,
  size: number,
  { offset, length, mode }: { offset: number; length: number; mode: number },
): Promise<void> {
  if ((mode & ~(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE)) !== 0) {
    throw refusal('ENOTSUP', `fallocate mode ${mode} is not known`)
  }
  const end = offset + length
  if ((mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0) await zero(content, offset, Math.min(end, size))
  if ((mode & KEEP_SIZE) === 0 && end > size) await content.resize(end)
}

async function zero(content: Content, from: number, to: number): Promise<void> {
  const zeros = Buffer.alloc(Math.max(0, Math.min(PIECE_BYTES, to - from)))
  for (let at = from; at < to; at += zeros.length) {
    await content.write(at, zeros.subarray(0, to - at), 'there')
  }
}
