import type { RemoteFiles } from '../../remote/remote-files.js'
import { refusal } from '../answer.js'
import type { Content, MustHold } from '../content/content.js'

/** Modes of fallocate(2). */
const KEEP_SIZE = 0x01
const PUNCH_HOLE = 0x02
const ZERO_RANGE = 0x10
/** Up to here zeros are cheaper written, with what is written around them, than asked for. */
const WRITTEN_BYTES = 64 << 10

export interface Allocation {
  readonly offset: number
  readonly length: number
  readonly mode: number
}

/** fallocate(2): room needs no reserving here, so only sizes, zeros and the room they free are left of it. */
export async function allocate(
  files: Pick<RemoteFiles, 'zero'>,
  content: Content,
  size: number,
  { offset, length, mode }: Allocation,
  mustHold: MustHold,
): Promise<void> {
  if ((mode & ~(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE)) !== 0) {
    throw refusal('ENOTSUP', `fallocate mode ${mode} is not known`)
  }
  const end = offset + length
  const isLonger = (mode & KEEP_SIZE) === 0 && end > size
  const zeroed = Math.min(end, size) - offset
  if ((mode & (PUNCH_HOLE | ZERO_RANGE)) === 0 || zeroed <= 0) {
    if (isLonger) await content.resize(end, mustHold)
    return
  }
  if (zeroed > WRITTEN_BYTES) {
    const range = { offset, length: isLonger ? length : zeroed, extend: isLonger }
    await content.change((ino) => files.zero(ino, range), mustHold)
    return
  }
  await content.write(offset, Buffer.alloc(zeroed), 'there', mustHold)
  if (isLonger) await content.resize(end, mustHold)
}
