import { z } from 'zod'
import { answerEmpty, answerJson, answerNotModified, inodeFields } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { isNotModified } from '../exchange/preconditions.js'
import { parseChoice, parseCount } from '../exchange/query.js'
import { beforehand } from '../input/beforehand.js'
import { jsonContent } from '../input/json.js'
import { copiedRange, seekingFor, zeroRange } from '../input/schemas.js'

const zeroBody = z.strictObject(zeroRange)
const copyBody = z.strictObject({
  from: copiedRange.from,
  offset: zeroRange.offset,
  bytes: copiedRange.bytes,
})

/** GET …?seek=data or hole: lseek(2). */
export async function seek(exchange: Exchange, ino: number, what: string): Promise<void> {
  const { tree, query } = exchange
  const kind = parseChoice('seek', what, seekingFor.options)
  const offset = parseCount('offset', query.get('offset') ?? '0', 0, Number.MAX_SAFE_INTEGER)
  const found = await tree.seek(ino, offset, kind)
  const fields = inodeFields(await tree.stat(ino))
  if (isNotModified(exchange)) return answerNotModified(exchange, fields)
  answerJson(exchange, 200, { offset: found ?? null }, fields)
}

/** PATCH: a range becomes zeros (fallocate(2)). */
export async function patchZero(exchange: Exchange): Promise<void> {
  const { tree } = exchange
  const { admitted, ino, holds, origin } = await beforehand.bytes(exchange)
  const { offset, bytes, extend } = await jsonContent(admitted, zeroBody)
  const inode = await tree.zero(ino, { offset, length: bytes, extend }, holds, origin)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode)
}

/** PATCH: bytes of another file, or of this one, that need not be sent (copy_file_range(2)). */
export async function patchCopy(exchange: Exchange): Promise<void> {
  const { tree } = exchange
  const { admitted, ino, holds, origin } = await beforehand.bytes(exchange)
  const { from, offset, bytes } = await jsonContent(admitted, copyBody)
  const range = { from, to: { ino, offset }, length: bytes }
  const { inode, bytes: copied } = await tree.copyRange(range, holds, origin)
  await settled(exchange, inode.ino)
  answerJson(exchange, 200, { copied }, inodeFields(inode))
}
