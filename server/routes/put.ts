import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { FileError } from '../errors.js'
import { strongEtag } from '../http/etag.js'
import type { Ino, Inode, Place } from '../storage/storage.js'
import { answerAttributes, settled } from './answer.js'
import { newAttributeFields } from './attribute-fields.js'
import { announcedDigests, contentPieces } from './body.js'
import { type Exchange, lookup, placeAt } from './exchange.js'
import { precondition } from './preconditions.js'
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
  const holds = precondition(exchange)
  const { target, current } = await destination(exchange)
  holds(current)
  const announced = announcedDigests(request.headers)
  const body = contentPieces(exchange, limits.uploadBytes)
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

/** The name, or the file itself where it is given by number. */
async function destination(
  exchange: Exchange,
): Promise<{ target: Place | Ino; current: Inode | undefined }> {
  const { tree, from, names } = exchange
  if (names.length === 0) {
    const current = await tree.stat(from)
    refuseUnlessFile(current)
    return { target: from, current }
  }
  const target = await placeAt(exchange)
  const current = await lookup(tree, target)
  if (current !== undefined) refuseUnlessFile(current)
  return { target, current }
}

export function refuseUnlessFile({ type }: Inode): void {
  if (type === 'file') return
  if (type === 'directory') throw new FileError('EISDIR', 'this is a directory; POST makes those')
  throw new FileError('EINVAL', `this is a ${type}, which has no content`)
}

/** Lets the engine refuse what does not fit before it comes. */
function expected({ headers }: IncomingMessage, current: Inode | undefined) {
  const length = headers['content-length']
  return {
    ...(length !== undefined && { size: Number(length) }),
    replaces: current?.ino ?? ('nothing' as const),
  }
}

/** The content is kept as it came, so its validators may be told (RFC 9110 section 9.3.4). */
function validators(inode: Inode): OutgoingHttpHeaders {
  return { ETag: strongEtag(inode) }
}
