import type { ZodType } from 'zod'
import { Refusal } from '../../http/refusal.js'
import { speaksTus } from '../../http/tus.js'
import { fileName } from '../../storage/path.js'
import type { Inode, Place } from '../../storage/storage.js'
import { answerAttributes, answerEmpty } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Admitted, Exchange } from '../exchange/exchange.js'
import { othersField } from '../exchange/others-before.js'
import { inodeAt } from '../exchange/place.js'
import { precondition } from '../exchange/preconditions.js'
import { newAttributeFields } from '../input/attribute-fields.js'
import { beforehand } from '../input/beforehand.js'
import { hasContent, wholeContent } from '../input/body.js'
import { jsonContent, mediaType } from '../input/json.js'
import { completed, newInodeOf } from '../input/new-inode.js'
import {
  type NewInodeRequest,
  type NewLinkRequest,
  newAttributes,
  postRequest,
} from '../input/schemas.js'
import { createUpload } from './uploads.js'

const DIRECTORY: NewInodeRequest = { type: 'directory' }

/** POST makes what PUT cannot, and syncs. */
export async function post(exchange: Exchange): Promise<void> {
  if (exchange.query.has('sync')) return sync(exchange)
  if (exchange.query.has('nameless')) return nameless(exchange)
  if (speaksTus(exchange.request.headers)) return createUpload(exchange)
  const { admitted, place } = await beforehand.make(exchange)
  const wanted = await request(admitted)
  const inode =
    wanted.type === 'link'
      ? await link(exchange, place, wanted)
      : await make(exchange, place, wanted)
  await settled(exchange, inode.ino)
  answerAttributes(exchange, 201, inode, othersField(exchange.tree, exchange.origin))
}

/** fsync(2): what was acknowledged so far survives loss of power. */
async function sync(exchange: Exchange): Promise<void> {
  const holds = precondition(exchange)
  const inode = await inodeAt(exchange)
  holds(inode)
  await exchange.storage.durable(inode.ino)
  answerEmpty(exchange, 204, inode)
}

/** open(2) with `O_TMPFILE`. */
async function nameless(exchange: Exchange): Promise<void> {
  const { admitted, ino } = await beforehand.nameless(exchange)
  const given = await requested(admitted, newAttributes, {})
  const fields = newAttributeFields(exchange.request.headers)
  const attributes = completed({ type: 'file' }, { ...fields, ...given })
  const inode = await exchange.tree.makeNameless(ino, attributes, exchange.origin)
  await settled(exchange, inode.ino)
  answerAttributes(exchange, 201, inode)
}

const request = (exchange: Admitted): Promise<NewInodeRequest | NewLinkRequest> =>
  requested(exchange, postRequest, DIRECTORY)

/** What a JSON body asks for, or what stands for none. */
async function requested<T>(exchange: Admitted, schema: ZodType<T>, otherwise: T): Promise<T> {
  if (!hasContent(exchange.request)) {
    // the digest of something else: what was to be made has been lost on the way
    await wholeContent(exchange, 0)
    return otherwise
  }
  if (mediaType(exchange.request) !== 'application/json') {
    throw new Refusal(415, 'POST takes application/json, or no body', {
      Accept: 'application/json',
    })
  }
  return jsonContent(exchange, schema)
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
