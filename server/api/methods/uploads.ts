import type { OutgoingHttpHeaders } from 'node:http'
import { FileError } from '../../errors.js'
import { DigestMismatch, type ExpectedDigest, verified } from '../../http/digest.js'
import { strongEtag } from '../../http/etag.js'
import { field } from '../../http/field.js'
import { Refusal } from '../../http/refusal.js'
import {
  OFFSET_TYPE,
  parseUploadLength,
  parseUploadMetadata,
  parseUploadOffset,
  speaksTus,
  TUS_EXTENSIONS,
  TUS_VERSION,
} from '../../http/tus.js'
import { fileName } from '../../storage/path.js'
import type { Inode, Place, ResumableUpload } from '../../storage/storage.js'
import { inodeFields } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { currentAt, placeAt } from '../exchange/place.js'
import { preconditionOf } from '../exchange/preconditions.js'
import { newAttributeFields } from '../input/attribute-fields.js'
import { beforehand } from '../input/beforehand.js'
import { announcedDigests, contentPieces, hasContent } from '../input/body.js'
import { mediaType } from '../input/json.js'
import { parseUploadDetails, uploadDetails } from './upload-details.js'

/** Resumable uploads: tus 1.0.0 with creation, creation-with-upload, expiration and termination. */

/** POST on the file to be (or on a directory, with `filename` in the metadata): makes the upload. */
export async function createUpload(exchange: Exchange): Promise<void> {
  const { request, response, tree, uploads, limits, origin } = exchange
  const { headers } = request
  const length = parseUploadLength(headers, limits.uploadBytes)
  newAttributeFields(headers)
  announcedDigests(headers, ['Repr-Digest'])
  const place = await destination(exchange)
  const { current } = await beforehand.upload(exchange, place)
  const replaces = current === undefined ? {} : { replaces: current.ino }
  const details = uploadDetails({ place, headers, connection: origin.connection })
  const id = await uploads.begin(tree, { length, details, ...replaces })
  await settled(exchange, place.directory)
  await uploads.hold(tree, id, breakOff(exchange), async (upload) => {
    if (hasContent(request)) await receive(exchange, upload, 0)
    const finished = await finishIfWhole(exchange, upload)
    const made = { Location: `/uploads/${id}`, 'Content-Length': 0 }
    response.writeHead(201, { ...made, ...fields(exchange, upload, finished) })
    response.end()
  })
}

/** HEAD: how much has come, and what the client said of the whole. */
export async function headUpload(exchange: Exchange): Promise<void> {
  await held(exchange, async (upload) => {
    const { response } = exchange
    const became = fields(exchange, upload, await finishedInode(exchange, upload))
    const metadata = parseUploadDetails(upload.details).headers['upload-metadata']
    const said = metadata === undefined ? {} : { 'Upload-Metadata': metadata }
    response.writeHead(200, { ...became, ...said, 'Upload-Length': upload.length })
    response.end()
  })
}

/** PATCH: the next bytes. What has come stays, also when the rest does not. */
export async function patchUpload(exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const offset = parseUploadOffset(request.headers)
  await held(exchange, async (upload) => {
    refuseOtherWhole(exchange, upload)
    await receive(exchange, upload, offset)
    const finished = await finishIfWhole(exchange, upload)
    response.writeHead(204, fields(exchange, upload, finished))
    response.end()
  })
}

/** DELETE: gives the upload up. */
export async function deleteUpload(exchange: Exchange): Promise<void> {
  await held(exchange, async (upload) => {
    await upload.abort()
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
  await uploads.hold(tree, uploadId, breakOff(exchange), work)
}

async function receive(exchange: Exchange, upload: ResumableUpload, offset: number): Promise<void> {
  const admitted = beforehand.part(exchange, upload, offset)
  if (mediaType(exchange.request) !== OFFSET_TYPE) {
    const accepted = { Accept: OFFSET_TYPE, 'Accept-Patch': OFFSET_TYPE }
    throw new Refusal(415, `send the bytes as ${OFFSET_TYPE}`, accepted)
  }
  const body = contentPieces(admitted, upload.length - upload.size, 'EFBIG', ['Content-Digest'])
  if (upload.finished !== undefined) return
  await orEnd(upload, () => upload.write(body))
}

/** Many clients send the fields of the first request with all. @throws FileError EINVAL if Repr-Digest is not the same in all */
function refuseOtherWhole({ request }: Exchange, { details }: ResumableUpload): void {
  const digest = field(request.headers, 'Repr-Digest')
  if (digest === undefined || digest === parseUploadDetails(details).headers['repr-digest']) return
  throw new FileError(
    'EINVAL',
    'Repr-Digest, that of the whole file, goes with the POST; send the Content-Digest of this part',
  )
}

/** Reads all of it again: it has come in parts, perhaps to an earlier run of the server. @throws DigestMismatch */
async function verifyWhole(
  upload: ResumableUpload,
  digests: readonly ExpectedDigest[],
): Promise<void> {
  if (digests.length === 0) return
  await orEnd(upload, async () => {
    for await (const _ of verified(upload.content(), digests)) {
      // only looked at
    }
  })
}

/** Ends an upload of which something is wrong, and kept already: only from the beginning can it become right. */
async function orEnd(upload: ResumableUpload, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof DigestMismatch) await upload.abort()
    throw error
  }
}

/** Puts what has come in its place, once that is all: the attributes and conditions of the first request hold then. */
async function finishIfWhole(
  exchange: Exchange,
  upload: ResumableUpload,
): Promise<Inode | undefined> {
  if (upload.finished !== undefined) return finishedInode(exchange, upload)
  if (upload.size < upload.length) return undefined
  const { place, headers, connection } = parseUploadDetails(upload.details)
  const whole = announcedDigests(headers, ['Repr-Digest'])
  await verifyWhole(upload, whole)
  const { inode } = await upload.commit(
    place,
    newAttributeFields(headers),
    preconditionOf(headers, exchange.clock()),
    connection === undefined ? {} : { connection },
  )
  exchange.digests.remember(inode, whole)
  await settled(exchange, inode.ino)
  return inode
}

/** What it became, if that is still there. */
async function finishedInode(
  { tree }: Exchange,
  { finished }: ResumableUpload,
): Promise<Inode | undefined> {
  if (finished === undefined) return undefined
  try {
    return await tree.stat(finished)
  } catch (error) {
    if (error instanceof FileError && GONE.has(error.code)) return undefined
    throw error
  }
}
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ESTALE'])

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

function fields(
  { uploads }: Exchange,
  { size }: ResumableUpload,
  became: Inode | undefined,
): OutgoingHttpHeaders {
  return {
    ...(became && { ...inodeFields(became), ETag: strongEtag(became) }),
    'Tus-Resumable': TUS_VERSION,
    'Upload-Offset': size,
    'Upload-Expires': uploads.expiry().toUTCString(),
    'Cache-Control': 'no-store',
  }
}

function breakOff({ request }: Exchange): () => void {
  return () => request.socket.destroy()
}
