import type { OutgoingHttpHeaders } from 'node:http'
import { FileError } from '../errors.js'
import { strongEtag } from '../http/etag.js'
import { field } from '../http/field.js'
import { Refusal } from '../http/refusal.js'
import {
  OFFSET_TYPE,
  parseUploadLength,
  parseUploadMetadata,
  parseUploadOffset,
  speaksTus,
  TUS_EXTENSIONS,
  TUS_VERSION,
} from '../http/tus.js'
import { fileName } from '../storage/path.js'
import type { Place } from '../storage/storage.js'
import { inodeFields, settled } from './answer.js'
import { newAttributeFields } from './attribute-fields.js'
import { content, hasContent } from './body.js'
import { currentAt, type Exchange, lookup, placeAt } from './exchange.js'
import { mediaType } from './json.js'
import { precondition } from './preconditions.js'
import { refuseUnlessFile } from './put.js'
import type { ResumableUpload } from './resumable.js'

/** Resumable uploads: tus 1.0.0 with creation, creation-with-upload, expiration and termination. */

/** POST on the file to be (or on a directory, with `filename` in the metadata): makes the upload. */
export async function createUpload(exchange: Exchange): Promise<void> {
  const { request, response, tree, uploads, limits, origin } = exchange
  const { headers } = request
  const length = parseUploadLength(headers, limits.uploadBytes)
  const attributes = newAttributeFields(headers)
  const holds = precondition(exchange)
  const place = await destination(exchange)
  const current = await lookup(tree, place)
  if (current !== undefined) refuseUnlessFile(current)
  holds(current)
  uploads.requireRoom(tree.owner)
  const replaces = current === undefined ? {} : { replaces: current.ino }
  const upload = await tree.upload({ size: length, ...replaces })
  const commit = async () => (await upload.commit(place, attributes, holds, origin)).inode
  const made = uploads.add({ owner: tree.owner, length, upload, commit })
  await uploads.hold(tree.owner, made.id, breakOff(exchange), async () => {
    if (hasContent(request)) await receive(exchange, made)
    await finishIfWhole(exchange, made)
    response.writeHead(201, { Location: `/uploads/${made.id}`, ...fields(made) })
    response.end()
  })
}

/** HEAD: how much has come. */
export async function headUpload(exchange: Exchange): Promise<void> {
  await held(exchange, async (upload) => {
    const { response } = exchange
    response.writeHead(200, { ...fields(upload), 'Upload-Length': upload.length })
    response.end()
  })
}

/** PATCH: the next bytes. What has come stays, also when the rest does not. */
export async function patchUpload(exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const offset = parseUploadOffset(request.headers)
  await held(exchange, async (upload) => {
    if (offset !== offsetOf(upload)) {
      const now = { 'Upload-Offset': String(offsetOf(upload)) }
      throw new Refusal(409, `Upload-Offset must be ${offsetOf(upload)}`, now)
    }
    await receive(exchange, upload)
    await finishIfWhole(exchange, upload)
    response.writeHead(204, fields(upload))
    response.end()
  })
}

/** DELETE: gives the upload up. */
export async function deleteUpload(exchange: Exchange): Promise<void> {
  await held(exchange, async (upload) => {
    await exchange.uploads.discard(upload)
    exchange.response.writeHead(204, { 'Tus-Resumable': TUS_VERSION })
    exchange.response.end()
  })
}

/** What OPTIONS says of it. */
export function tusFields(most: number): OutgoingHttpHeaders {
  return {
    'Tus-Resumable': TUS_VERSION,
    'Tus-Version': TUS_VERSION,
    'Tus-Extension': TUS_EXTENSIONS,
    'Tus-Max-Size': most,
  }
}

async function held(
  exchange: Exchange,
  work: (upload: ResumableUpload) => Promise<void>,
): Promise<void> {
  const { request, tree, uploads, uploadId } = exchange
  if (!speaksTus(request.headers)) {
    throw new Refusal(412, 'send Tus-Resumable: 1.0.0', { 'Tus-Version': TUS_VERSION })
  }
  await uploads.hold(tree.owner, uploadId, breakOff(exchange), work)
}

async function receive(exchange: Exchange, upload: ResumableUpload): Promise<void> {
  if (mediaType(exchange.request) !== OFFSET_TYPE) {
    throw new Refusal(415, `send the bytes as ${OFFSET_TYPE}`, { Accept: OFFSET_TYPE })
  }
  const left = upload.length - offsetOf(upload)
  const body = content(exchange, left)
  if (upload.finished === undefined) await upload.upload.write(body)
}

async function finishIfWhole(exchange: Exchange, upload: ResumableUpload): Promise<void> {
  if (upload.finished !== undefined || upload.upload.size < upload.length) return
  try {
    const inode = await upload.commit()
    await settled(exchange, inode.ino)
    upload.finished = inode
  } catch (error) {
    await exchange.uploads.discard(upload)
    throw error
  }
}

async function destination(exchange: Exchange): Promise<Place> {
  const filename = parseUploadMetadata(field(exchange.request.headers, 'Upload-Metadata')).get(
    'filename',
  )
  const there = await currentAt(exchange)
  if (there?.type !== 'directory') return placeAt(exchange)
  if (filename === undefined) {
    throw new FileError('EISDIR', 'this is a directory: name the file, or say filename as metadata')
  }
  return { directory: there.ino, name: fileName(filename) }
}

function fields(upload: ResumableUpload): OutgoingHttpHeaders {
  const { finished, expires } = upload
  return {
    ...(finished && { ...inodeFields(finished), ETag: strongEtag(finished) }),
    'Tus-Resumable': TUS_VERSION,
    'Upload-Offset': offsetOf(upload),
    'Upload-Expires': expires.toUTCString(),
    'Cache-Control': 'no-store',
  }
}

function offsetOf({ finished, length, upload }: ResumableUpload): number {
  return finished === undefined ? upload.size : length
}

function breakOff({ request }: Exchange): () => void {
  return () => request.socket.destroy()
}
