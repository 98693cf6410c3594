import { z } from 'zod'
import { FileError } from '../errors.js'
import { Refusal } from '../http/refusal.js'
import { fileName } from '../storage/path.js'
import type { Inode, NewAttributes, NewInode } from '../storage/storage.js'
import { answerAttributes, answerEmpty, settled } from './answer.js'
import { newAttributeFields } from './attribute-fields.js'
import { hasContent } from './body.js'
import { type Exchange, inodeAt, placeAt } from './exchange.js'
import { jsonContent, mediaType } from './json.js'
import { type NewInodeRequest, type NewLinkRequest, newInode, newLink, present } from './schemas.js'

const postBody = z.union([newInode, newLink])
const DIRECTORY: NewInodeRequest = { type: 'directory' }
const DIRECTORY_MODE = 0o755
const FILE_MODE = 0o644

/** POST makes what PUT cannot, and syncs. */
export async function post(exchange: Exchange): Promise<void> {
  if (exchange.query.has('sync')) return sync(exchange)
  const wanted = await request(exchange)
  const inode = wanted.type === 'link' ? await link(exchange, wanted) : await make(exchange, wanted)
  await settled(exchange)
  answerAttributes(exchange, 201, inode)
}

/** fsync(2): what was acknowledged so far survives loss of power. */
async function sync(exchange: Exchange): Promise<void> {
  const inode = await inodeAt(exchange)
  await exchange.storage.durable()
  answerEmpty(exchange, 204, inode)
}

async function request(exchange: Exchange): Promise<NewInodeRequest | NewLinkRequest> {
  if (!hasContent(exchange.request)) return DIRECTORY
  if (mediaType(exchange.request) !== 'application/json') {
    throw new Refusal(415, 'POST takes application/json, or no body for a directory', {
      Accept: 'application/json',
    })
  }
  return jsonContent(exchange, postBody)
}

async function make(exchange: Exchange, wanted: NewInodeRequest): Promise<Inode> {
  const place = await placeOrExists(exchange)
  const attributes = { ...newAttributeFields(exchange.request.headers), ...present(wanted) }
  return exchange.tree.make(place, what(wanted), complete(wanted, attributes), exchange.origin)
}

async function link(exchange: Exchange, wanted: NewLinkRequest): Promise<Inode> {
  const { tree, origin } = exchange
  const place = await placeOrExists(exchange)
  if ('ino' in wanted) return tree.link(wanted.ino, place, origin)
  const names = wanted.path.replace(/^\//, '').split('/').map(fileName)
  const { ino } = await tree.walk(tree.root, names)
  return tree.link(ino, place, origin)
}

/** The root and an inode given by number exist already. */
async function placeOrExists(exchange: Exchange) {
  if (exchange.names.length > 0) return placeAt(exchange)
  await inodeAt(exchange)
  throw new FileError('EEXIST', 'it exists already')
}

export function what(wanted: NewInodeRequest): NewInode {
  switch (wanted.type) {
    case 'symlink':
      return { type: wanted.type, target: wanted.target }
    case 'chardev':
    case 'blockdev':
      return { type: wanted.type, rdev: wanted.rdev }
    case 'directory':
    case 'file':
    case 'fifo':
    case 'socket':
      return { type: wanted.type }
  }
}

/** The defaults of docs/file-api.md for what the request does not say. A symlink's permissions are never looked at. */
export function complete(
  { type }: Pick<NewInode, 'type'>,
  { mode, uid, gid, atime, mtime, ino }: Partial<NewAttributes>,
): NewAttributes {
  const usual = { directory: DIRECTORY_MODE, symlink: 0o777 } as const
  const modes: Partial<Record<NewInode['type'], number>> = usual
  return {
    mode: mode ?? modes[type] ?? FILE_MODE,
    uid: uid ?? 0,
    gid: gid ?? 0,
    ...(atime !== undefined && { atime }),
    ...(mtime !== undefined && { mtime }),
    ...(ino !== undefined && { ino }),
  }
}
