import { contentEtag } from '../../http/etag.js'
import type { Inode } from '../../storage/storage.js'
import { answerEmpty, answerJson, answerNotModified, inodeFields } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { inodeAt } from '../exchange/place.js'
import { isNotModified, valuePrecondition } from '../exchange/preconditions.js'
import { parseChoice } from '../exchange/query.js'
import { beforehand } from '../input/beforehand.js'
import { wholeContent } from '../input/body.js'
import { xattrMode } from '../input/schemas.js'

/** XATTR_SIZE_MAX of linux/limits.h */
export const MAX_VALUE_BYTES = 65_536

export async function listXattrs(exchange: Exchange, inode: Inode): Promise<void> {
  const names = await exchange.tree.listXattrs(inode.ino)
  if (isNotModified(exchange)) return answerNotModified(exchange, inodeFields(inode))
  answerJson(exchange, 200, names, inodeFields(inode))
}

export async function getXattr(exchange: Exchange, inode: Inode, name: string): Promise<void> {
  const { request, response, tree } = exchange
  const value = await tree.getXattr(inode.ino, name)
  const etag = contentEtag(value)
  const fields = { ...inodeFields(inode), ETag: etag }
  if (isNotModified(exchange, { etag })) return answerNotModified(exchange, fields)
  response.writeHead(200, {
    ...fields,
    'Content-Type': 'application/octet-stream',
    'Content-Length': value.length,
  })
  response.end(request.method === 'HEAD' ? undefined : value)
}

export async function putXattr(exchange: Exchange, name: string): Promise<void> {
  const { tree, query, origin } = exchange
  const mode = parseChoice('mode', query.get('mode') ?? 'either', xattrMode.options)
  const { admitted, ino, holds } = await beforehand.xattr(exchange, name, mode)
  const value = await wholeContent(admitted, MAX_VALUE_BYTES)
  const inode = await tree.setXattr(ino, name, value, mode, holds, origin)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode, { ETag: contentEtag(value) })
}

export async function removeXattr(exchange: Exchange, name: string): Promise<void> {
  const holds = valuePrecondition(exchange)
  const { ino } = await inodeAt(exchange)
  const inode = await exchange.tree.removeXattr(ino, name, holds, exchange.origin)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode)
}
