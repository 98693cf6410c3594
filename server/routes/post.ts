import { FileError } from '../errors.js'
import { Refusal } from '../http/refusal.js'
import { speaksTus } from '../http/tus.js'
import { fileName } from '../storage/path.js'
import type { Inode } from '../storage/storage.js'
import { answerAttributes, answerEmpty, settled } from './answer.js'
import { newAttributeFields } from './attribute-fields.js'
import { hasContent, wholeContent } from './body.js'
import { type Exchange, inodeAt, placeAt } from './exchange.js'
import { jsonContent, mediaType } from './json.js'
import { completed, newInodeOf } from './new-inode.js'
import { type NewInodeRequest, type NewLinkRequest, postRequest, present } from './schemas.js'
import { createUpload } from './uploads.js'

const DIRECTORY: NewInodeRequest = { type: 'directory' }

/** POST makes what PUT cannot, and syncs. */
export async function post(exchange: Exchange): Promise<void> {
  if (exchange.query.has('sync')) return sync(exchange)
  if (speaksTus(exchange.request.headers)) return createUpload(exchange)
  const wanted = await request(exchange)
  const inode = wanted.type === 'link' ? await link(exchange, wanted) : await make(exchange, wanted)
  await settled(exchange, inode.ino)
  answerAttributes(exchange, 201, inode)
}

/** fsync(2): what was acknowledged so far survives loss of power. */
async function sync(exchange: Exchange): Promise<void> {
  const inode = await inodeAt(exchange)
  await exchange.storage.durable(inode.ino)
  answerEmpty(exchange, 204, inode)
}

async function request(exchange: Exchange): Promise<NewInodeRequest | NewLinkRequest> {
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

async function make(exchange: Exchange, wanted: NewInodeRequest): Promise<Inode> {
  const place = await placeOrExists(exchange)
  const attributes = { ...newAttributeFields(exchange.request.headers), ...present(wanted) }
  return exchange.tree.make(
    place,
    newInodeOf(wanted),
    completed(wanted, attributes),
    exchange.origin,
  )
}

async function link(exchange: Exchange, wanted: NewLinkRequest): Promise<Inode> {
  const { tree, origin } = exchange
  const place = await placeOrExists(exchange)
  if (wanted.ino !== undefined) return tree.link(wanted.ino, place, origin)
  const names = (wanted.path ?? '').replace(/^\//, '').split('/').map(fileName)
  const { ino } = await tree.walk(tree.root, names)
  return tree.link(ino, place, origin)
}

/** The root and an inode given by number exist already. */
async function placeOrExists(exchange: Exchange) {
  if (exchange.names.length > 0) return placeAt(exchange)
  await inodeAt(exchange)
  throw new FileError('EEXIST', 'it exists already')
}
