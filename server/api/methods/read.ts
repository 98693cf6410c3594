import { FileError } from '../../errors.js'
import type { Inode, Tree } from '../../storage/storage.js'
import { answerContent } from '../content/content.js'
import { answerAttributes, answerJson, answerNotModified, inodeFields } from '../exchange/answer.js'
import { withChange } from '../exchange/attempts.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { inodeAt } from '../exchange/place.js'
import { isNotModified } from '../exchange/preconditions.js'
import { answerEntries } from './directories.js'
import { seek } from './ranges.js'
import { getXattr, listXattrs } from './xattrs.js'

/** GET and HEAD: what comes depends on what is there. */
export async function read(exchange: Exchange): Promise<void> {
  const inode = await inodeAt(exchange)
  if (exchange.query.has('xattrs')) return listXattrs(exchange, inode)
  const xattr = exchange.query.get('xattr')
  if (xattr !== undefined) return getXattr(exchange, inode, xattr)
  const sought = exchange.query.get('seek')
  if (sought !== undefined) return seek(exchange, inode.ino, sought)
  const change = exchange.query.get('change')
  if (change !== undefined) return wasMade(exchange, inode, change)
  if (exchange.query.has('offset')) throw new FileError('EINVAL', '?offset= goes with ?seek=')
  return answerInode(exchange, inode)
}

/** GET …?change: whether the connection has made the change that it named so, which is then as durable as is asked for here. */
async function wasMade(exchange: Exchange, inode: Inode, name: string): Promise<void> {
  const { connection, change } = withChange(exchange.origin, name)
  const isKnown = connection !== undefined && change !== undefined
  const found = isKnown ? await madeBy(exchange.tree, inode, connection, change) : undefined
  if (found !== undefined) await settled(exchange, found.ino ?? inode.ino)
  const fields = inodeFields(await exchange.tree.stat(inode.ino))
  if (isNotModified(exchange)) return answerNotModified(exchange, fields)
  answerJson(exchange, 200, { made: found !== undefined, ...found }, fields)
}

/** In a directory it may have been the making of something. */
async function madeBy(
  { changes }: Tree,
  { type }: Inode,
  connection: string,
  change: string,
): Promise<{ readonly version?: number; readonly ino?: number } | undefined> {
  const made = await changes.made(connection, change)
  if (made !== undefined || type !== 'directory') return made
  const ino = await changes.newlyMade(connection, change)
  return ino === undefined ? undefined : { ino }
}

async function answerInode(exchange: Exchange, inode: Inode): Promise<void> {
  switch (inode.type) {
    case 'file':
      return answerContent(exchange, inode)
    case 'directory':
      return answerEntries(exchange, inode)
    case 'symlink':
    case 'fifo':
    case 'socket':
    case 'chardev':
    case 'blockdev':
      if (isNotModified(exchange)) return answerNotModified(exchange, inodeFields(inode))
      return answerAttributes(exchange, 200, inode)
  }
}
