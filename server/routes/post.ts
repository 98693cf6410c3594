import { Refusal } from '../http/refusal.js'
import { speaksTus } from '../http/tus.js'
import { fileName } from '../storage/path.js'
import type { Inode, Place } from '../storage/storage.js'
import { answerAttributes, answerEmpty, settled } from './answer.js'
import { newAttributeFields } from './attribute-fields.js'
import { beforehand } from './beforehand.js'
import { hasContent, wholeContent } from './body.js'
import { type Admitted, type Exchange, inodeAt } from './exchange.js'
import { jsonContent, mediaType } from './json.js'
import { completed, newInodeOf } from './new-inode.js'
import { precondition } from './preconditions.js'
import { type NewInodeRequest, type NewLinkRequest, postRequest } from './schemas.js'
import { createUpload } from './uploads.js'

const DIRECTORY: NewInodeRequest = { type: 'directory' }

/** POST makes what PUT cannot, and syncs. */
export async function post(exchange: Exchange): Promise<void> {
  if (exchange.query.has('sync')) return sync(exchange)
  if (speaksTus(exchange.request.headers)) return createUpload(exchange)
  const { admitted, place } = await beforehand.make(exchange)
  const wanted = await request(admitted)
  const inode =
    wanted.type === 'link'
      ? await link(exchange, place, wanted)
      : await make(exchange, place, wanted)
  await settled(exchange, inode.ino)
  answerAttributes(exchange, 201, inode)
}

/** fsync(2): what was acknowledged so far survives loss of power. */
async function sync(exchange: Exchange): Promise<void> {
  const holds = precondition(exchange)
  const inode = await inodeAt(exchange)
  holds(inode)
  await exchange.storage.durable(inode.ino)
  answerEmpty(exchange, 204, inode)
}

async function request(exchange: Admitted): Promise<NewInodeRequest | NewLinkRequest> {
  if (!hasContent(exchange.request)) {
    // the digest of something else: what was to be made has been lost on the way
    await wholeContent(exchange, 0)
    return DIRECTORY
  }
  if (mediaType(exchange.request) !== 'application/json') {
    throw new Refusal(415, 'POST takes application/json, or no body for a directory', {
      Accept: 'application/json',
    })
  }
  return jsonContent(exchange, postRequest)
}

async function make(exchange: Exchange, place: Place, wanted: NewInodeRequest): Promise<Inode> {
  const attributes = { ...newAttributeFields(exchange.request.headers), ...wanted }
  return exchange.tree.make(
    place,
    newInodeOf(wanted),
    completed(wanted, attributes),
    exchange.origin,
  )
}

async function link(exchange: Exchange, place: Place, wanted: NewLinkRequest): Promise<Inode> {
  const { tree, origin } = exchange
  if (wanted.ino !== undefined) return tree.link(wanted.ino, place, origin)
  const names = (wanted.path ?? '').replace(/^\//, '').split('/').map(fileName)
  const { ino } = await tree.walk(tree.root, names)
  return tree.link(ino, place, origin)
}
