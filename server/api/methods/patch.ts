import { FileError } from '../../errors.js'
import { parseContentRange } from '../../http/content-range.js'
import type { ByteRange } from '../../http/range.js'
import { Refusal } from '../../http/refusal.js'
import {
  append,
  type ExpectedWrite,
  type WritePart,
  type WriteParts,
} from '../../storage/storage.js'
import { COPY_TYPE, RANGES_TYPE, ZERO_TYPE } from '../../wire/patch.js'
import { answerAttributes, answerEmpty } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { underLocks } from '../exchange/under-locks.js'
import { attributeChangeFields } from '../input/attribute-fields.js'
import { beforehand } from '../input/beforehand.js'
import { announcedBytes, contentPieces } from '../input/body.js'
import { jsonContent, mediaType } from '../input/json.js'
import { type Lent, LentMemory } from '../input/lent-memory.js'
import { rangeParts } from '../input/range-parts.js'
import { attributeChanges } from '../input/schemas.js'
import { freeSpent } from '../input/spent-buffers.js'
import { patchCopy, patchZero } from './ranges.js'

const memory = new LentMemory()

/** What PATCH understands (Accept-Patch, RFC 5789 section 3.1), and how. */
const PATCHES: ReadonlyMap<string, (exchange: Exchange) => Promise<void>> = new Map([
  ['application/json', patchAttributes],
  ['application/octet-stream', patchBytes],
  [RANGES_TYPE, patchRanges],
  [ZERO_TYPE, patchZero],
  [COPY_TYPE, patchCopy],
])
export const ACCEPT_PATCH = [...PATCHES.keys()].join(', ')

export async function patch(exchange: Exchange): Promise<void> {
  const apply = PATCHES.get(mediaType(exchange.request))
  if (apply === undefined) {
    throw new Refusal(415, `PATCH takes ${ACCEPT_PATCH}`, { 'Accept-Patch': ACCEPT_PATCH })
  }
  return apply(exchange)
}

async function patchAttributes(exchange: Exchange): Promise<void> {
  const { tree, query } = exchange
  if (query.has('append')) throw new FileError('EINVAL', '?append needs bytes, not JSON')
  const { admitted, ino, holds } = await beforehand.attributes(exchange)
  const changes = await jsonContent(admitted, attributeChanges)
  const origin = changes.size === undefined ? exchange.origin : underLocks(exchange, ino)
  const inode = await tree.setAttributes(ino, changes, holds, origin)
  await settled(exchange, inode.ino)
  answerAttributes(exchange, 200, inode)
}

async function patchBytes(exchange: Exchange): Promise<void> {
  const { request, query } = exchange
  const field = request.headers['content-range']
  if (query.has('append')) {
    if (field !== undefined)
      throw new FileError('EINVAL', '?append and Content-Range exclude each other')
    const length = announcedBytes(request)
    return write(exchange, appended, { offset: append, ...(length !== undefined && { length }) })
  }
  if (field === undefined) {
    throw new FileError('EINVAL', 'say where: Content-Range: bytes FIRST-LAST/*, or ?append')
  }
  const range = parseContentRange(field)
  const offset = range.first
  const length = range.last - offset + 1
  if ((announcedBytes(request) ?? length) !== length) {
    throw new FileError('EINVAL', 'Content-Length and Content-Range do not fit together')
  }
  const lent = memory.take(length)
  if (lent === undefined) {
    const parts: Parts = (source, spent) => placed(source, range, spent)
    return write(exchange, parts, { offset, length })
  }
  try {
    await write(exchange, (source) => joined(source, range, lent), { offset, length })
  } catch (error) {
    // What has failed here may still be read elsewhere.
    lent.giveUp()
    throw error
  }
  lent.giveBack()
}

async function patchRanges(exchange: Exchange): Promise<void> {
  if (exchange.query.has('append')) {
    throw new FileError('EINVAL', `${RANGES_TYPE} says itself what is appended`)
  }
  const length = announcedBytes(exchange.request)
  return write(exchange, rangeParts, length === undefined ? {} : { length })
}

/** What of a body goes where; in `spent` go the buffers that nobody needs once they are written. */
type Parts = (source: Pieces, spent: Buffer[]) => WriteParts
/** As they come: those of a turn of the event loop together. */
type Pieces = AsyncIterable<readonly Buffer[]>

async function write(exchange: Exchange, parts: Parts, expected: ExpectedWrite): Promise<void> {
  const { request, tree, limits } = exchange
  const changes = attributeChangeFields(request.headers)
  const { admitted, ino, holds, origin } = await beforehand.bytes(exchange)
  const spent: Buffer[] = []
  const come = parts(contentPieces(admitted, limits.uploadBytes), spent)
  const inode = await tree.write(ino, come, holds, origin, changes, expected)
  freeSpent(spent)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode)
}

async function* appended(source: Pieces, spent: Buffer[]): AsyncGenerator<readonly WritePart[]> {
  for await (const come of source) {
    spent.push(...come)
    yield come.map((data) => ({ offset: append, data }))
  }
}

/** @throws FileError EINVAL when the body is longer or shorter than its range */
async function* placed(
  source: Pieces,
  range: ByteRange,
  spent: Buffer[],
): AsyncGenerator<readonly WritePart[]> {
  let offset = range.first
  for await (const come of source) {
    const parts: WritePart[] = []
    for (const data of come) {
      parts.push({ offset, data })
      offset += data.length
    }
    if (offset - 1 > range.last) throw unlikeRange()
    spent.push(...come)
    yield parts
  }
  if (offset !== range.last + 1) throw unlikeRange()
}

/** The same, in one piece of memory: the buffers that it came in are free at once. */
async function* joined(
  source: Pieces,
  range: ByteRange,
  lent: Lent,
): AsyncGenerator<readonly WritePart[]> {
  const whole = lent.data
  let filled = 0
  for await (const come of source) {
    const from = filled
    for (const data of come) {
      if (data.length > whole.length - filled) throw unlikeRange()
      filled += data.copy(whole, filled)
    }
    freeSpent(come)
    yield [{ offset: range.first + from, data: whole.subarray(from, filled) }]
  }
  if (filled !== whole.length) throw unlikeRange()
}

function unlikeRange(): FileError {
  return new FileError('EINVAL', 'the body is not as long as its Content-Range')
}
