import { FileError } from '../errors.js'
import { parseContentRange } from '../http/content-range.js'
import type { ByteRange } from '../http/range.js'
import { RANGES_TYPE, rangesBody } from '../http/ranges-body.js'
import { Refusal } from '../http/refusal.js'
import { append, type ExpectedWrite, type Ino, type WritePart } from '../storage/storage.js'
import { answerAttributes, answerEmpty, settled } from './answer.js'
import { attributeChangeFields } from './attribute-fields.js'
import { content } from './body.js'
import { type Exchange, inodeAt } from './exchange.js'
import { jsonContent, mediaType } from './json.js'
import { precondition } from './preconditions.js'
import { COPY_TYPE, patchCopy, patchZero, ZERO_TYPE } from './ranges.js'
import { attributeChanges } from './schemas.js'
import { freeSpent } from './spent-buffers.js'

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
  if (exchange.query.has('append')) throw new FileError('EINVAL', '?append needs bytes, not JSON')
  const holds = precondition(exchange)
  const { ino } = await inodeAt(exchange)
  const changes = await jsonContent(exchange, attributeChanges)
  if (changes.size !== undefined) refuseFenced(exchange, ino)
  const inode = await exchange.tree.setAttributes(ino, changes, holds, exchange.origin)
  await settled(exchange, inode.ino)
  answerAttributes(exchange, 200, inode)
}

async function patchBytes(exchange: Exchange): Promise<void> {
  const { request, query, limits } = exchange
  const field = request.headers['content-range']
  if (query.has('append')) {
    if (field !== undefined)
      throw new FileError('EINVAL', '?append and Content-Range exclude each other')
    const parts = (spent: Buffer[]) => appended(content(exchange, limits.uploadBytes), spent)
    return write(exchange, parts, { offset: append, ...announced(exchange) })
  }
  if (field === undefined) {
    throw new FileError('EINVAL', 'say where: Content-Range: bytes FIRST-LAST/*, or ?append')
  }
  const range = parseContentRange(field)
  const offset = range.first
  const length = range.last - offset + 1
  if ((announced(exchange).length ?? length) !== length) {
    throw new FileError('EINVAL', 'Content-Length and Content-Range do not fit together')
  }
  const parts = (spent: Buffer[]) => placed(content(exchange, limits.uploadBytes), range, spent)
  return write(exchange, parts, { offset, length })
}

async function patchRanges(exchange: Exchange): Promise<void> {
  if (exchange.query.has('append')) {
    throw new FileError('EINVAL', `${RANGES_TYPE} says itself what is appended`)
  }
  const parts = () => pieces(content(exchange, exchange.limits.uploadBytes))
  return write(exchange, parts, announced(exchange))
}

/** How much comes, where the request says that. */
function announced({ request }: Exchange): { readonly length?: number } {
  const length = request.headers['content-length']
  return length === undefined ? {} : { length: Number(length) }
}

/** @param parts of the body; in `spent` go the buffers that nobody needs once they are written */
async function write(
  exchange: Exchange,
  parts: (spent: Buffer[]) => AsyncIterable<WritePart>,
  expected: ExpectedWrite,
): Promise<void> {
  const { request, tree, origin } = exchange
  const holds = precondition(exchange)
  const changes = attributeChangeFields(request.headers)
  const current = await inodeAt(exchange)
  if (current.type === 'directory') throw new FileError('EISDIR', 'this is a directory')
  if (current.type !== 'file') throw new FileError('EINVAL', `a ${current.type} has no content`)
  holds(current)
  refuseFenced(exchange, current.ino)
  const spent: Buffer[] = []
  const inode = await tree.write(current.ino, parts(spent), holds, origin, changes, expected)
  freeSpent(spent)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode)
}

/** What was written under a lock that has gone to somebody else. @throws FileError ESTALE */
function refuseFenced({ locks, tree, origin }: Exchange, ino: Ino): void {
  locks.refuseFenced(tree.owner, origin.connection, ino)
}

async function* appended(
  source: AsyncIterable<Buffer>,
  spent: Buffer[],
): AsyncGenerator<WritePart> {
  for await (const data of source) {
    spent.push(data)
    yield { offset: append, data }
  }
}

/** @throws FileError EINVAL when the body is longer or shorter than its range */
async function* placed(
  source: AsyncIterable<Buffer>,
  range: ByteRange,
  spent: Buffer[],
): AsyncGenerator<WritePart> {
  let offset = range.first
  for await (const data of source) {
    if (offset + data.length - 1 > range.last) throw unlikeRange()
    spent.push(data)
    yield { offset, data }
    offset += data.length
  }
  if (offset !== range.last + 1) throw unlikeRange()
}

async function* pieces(source: AsyncIterable<Buffer>): AsyncGenerator<WritePart> {
  for await (const { offset, data } of rangesBody(source)) {
    yield { offset: offset === 'append' ? append : offset, data }
  }
}

function unlikeRange(): FileError {
  return new FileError('EINVAL', 'the body is not as long as its Content-Range')
}
