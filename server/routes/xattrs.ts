import { FileError } from '../errors.js'
import type { Inode } from '../storage/storage.js'
import { answerEmpty, answerJson, inodeFields, settled } from './answer.js'
import { wholeContent } from './body.js'
import { type Exchange, inodeAt } from './exchange.js'

/** XATTR_SIZE_MAX of linux/limits.h */
export const MAX_VALUE_BYTES = 65_536
const MODES = ['create', 'replace', 'either'] as const
type XattrMode = (typeof MODES)[number]

export async function listXattrs(exchange: Exchange, inode: Inode): Promise<void> {
  answerJson(exchange, 200, await exchange.tree.listXattrs(inode.ino), inodeFields(inode))
}

export async function getXattr(exchange: Exchange, inode: Inode, name: string): Promise<void> {
  const { request, response, tree } = exchange
  const value = await tree.getXattr(inode.ino, name)
  response.writeHead(200, {
    ...inodeFields(inode),
    'Content-Type': 'application/octet-stream',
    'Content-Length': value.length,
  })
  response.end(request.method === 'HEAD' ? undefined : value)
}

export async function putXattr(exchange: Exchange, name: string): Promise<void> {
  const { tree, query, origin } = exchange
  const mode = parseMode(query.get('mode') ?? 'either')
  const { ino } = await inodeAt(exchange)
  const value = await wholeContent(exchange, MAX_VALUE_BYTES)
  const inode = await tree.setXattr(ino, name, value, mode, origin)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode)
}

export async function removeXattr(exchange: Exchange, name: string): Promise<void> {
  const { ino } = await inodeAt(exchange)
  const inode = await exchange.tree.removeXattr(ino, name, exchange.origin)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode)
}

function parseMode(mode: string): XattrMode {
  const known = MODES.find((one) => one === mode)
  if (known === undefined) throw new FileError('EINVAL', `mode must be ${MODES.join(', ')}`)
  return known
}
