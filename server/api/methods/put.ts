import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { FileError } from '../../errors.js'
import { strongEtag } from '../../http/etag.js'
import type { Inode } from '../../storage/storage.js'
import { answerAttributes } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { newAttributeFields } from '../input/attribute-fields.js'
import { beforehand } from '../input/beforehand.js'
import { announcedBytes, announcedDigests, contentPieces } from '../input/body.js'
import { putXattr } from './xattrs.js'

/** PUT: a new file, or a whole new content. Whatever can be refused is refused before the body is read. */
export async function put(exchange: Exchange): Promise<void> {
  const { request, tree, query, origin, limits, digests } = exchange
  const xattr = query.get('xattr')
  if (xattr !== undefined) return putXattr(exchange, xattr)
  if (query.has('mode')) throw new FileError('EINVAL', '?mode= goes with ?xattr=')
  if (request.headers['content-range'] !== undefined) {
    // a partial PUT taken for a whole one would destroy the rest (RFC 9110 section 14.5)
    throw new FileError('EINVAL', 'PUT replaces the whole content; use PATCH for a part of it')
  }
  const attributes = newAttributeFields(request.headers)
  const { admitted, target, current, holds } = await beforehand.put(exchange)
  const announced = announcedDigests(request.headers)
  const body = contentPieces(admitted, limits.uploadBytes)
  const upload = await tree.upload(expected(request, current))
  try {
    await upload.write(body)
    const { inode, created } = await upload.commit(target, attributes, holds, origin)
    digests.remember(inode, announced)
    await settled(exchange, inode.ino)
    answerAttributes(exchange, created ? 201 : 200, inode, validators(inode))
  } catch (error) {
    await upload.abort()
    throw error
  }
}

/** Lets the engine refuse what does not fit before it comes. */
function expected(request: IncomingMessage, current: Inode | undefined) {
  const size = announcedBytes(request)
  return {
    ...(size !== undefined && { size }),
    replaces: current?.ino ?? ('nothing' as const),
  }
}

/** The content is kept as it came, so its validators may be told (RFC 9110 section 9.3.4). */
function validators(inode: Inode): OutgoingHttpHeaders {
  return { ETag: strongEtag(inode) }
}
