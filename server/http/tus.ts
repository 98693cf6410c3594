import type { IncomingHttpHeaders } from 'node:http'
import { FileError } from '../errors.js'
import { field } from './field.js'
import { Refusal } from './refusal.js'

/** Fields of the tus resumable upload protocol 1.0.0 (https://tus.io/protocols/resumable-upload). */

export const TUS_VERSION = '1.0.0'
export const TUS_EXTENSIONS = 'creation,creation-with-upload,expiration,termination'
export const OFFSET_TYPE = 'application/offset+octet-stream'
const METADATA_KEY = /^[\x21-\x2b\x2d-\x7e]+$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** The method of a request about an upload: where a network lets only POST through, a field says what is meant. */
export function methodOfUpload(method: string, headers: IncomingHttpHeaders): string {
  return method === 'POST' ? (field(headers, 'X-HTTP-Method-Override') ?? method) : method
}

/** Whether the request speaks tus at all. @throws Refusal 412 for another version */
export function speaksTus(headers: IncomingHttpHeaders): boolean {
  const version = field(headers, 'Tus-Resumable')
  if (version === undefined) return false
  if (version === TUS_VERSION) return true
  throw new Refusal(412, `this server speaks tus ${TUS_VERSION}`, { 'Tus-Version': TUS_VERSION })
}

/** @throws FileError EINVAL, EFBIG */
export function parseUploadLength(headers: IncomingHttpHeaders, most: number): number {
  if (field(headers, 'Upload-Defer-Length') !== undefined) {
    throw new FileError('EINVAL', 'Upload-Length must be known when the upload is made')
  }
  const digits = field(headers, 'Upload-Length')
  const isBeyond = digits !== undefined && /^\d+$/.test(digits) && Number(digits) > most
  if (isBeyond) throw new FileError('EFBIG', `an upload has at most ${most} bytes here`)
  return parseBytes('Upload-Length', digits)
}

/** @throws FileError EINVAL */
export function parseUploadOffset(headers: IncomingHttpHeaders): number {
  return parseBytes('Upload-Offset', field(headers, 'Upload-Offset'))
}

/**
 * Upload-Metadata: pairs of a key and a value in Base64, separated by commas.
 * @throws FileError EINVAL
 */
export function parseUploadMetadata(value: string | undefined): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>()
  if (value === undefined || value.trim() === '') return metadata
  for (const pair of value.split(',')) {
    const [key = '', base64 = '', ...more] = pair.trim().split(' ')
    if (!METADATA_KEY.test(key) || !BASE64.test(base64) || more.length > 0 || metadata.has(key)) {
      throw new FileError('EINVAL', 'Upload-Metadata must be pairs of a key and a Base64 value')
    }
    metadata.set(key, Buffer.from(base64, 'base64').toString())
  }
  return metadata
}

function parseBytes(name: string, digits: string | undefined): number {
  const bytes = Number(digits)
  if (digits === undefined || !/^\d{1,16}$/.test(digits) || !Number.isSafeInteger(bytes)) {
    throw new FileError('EINVAL', `${name} must be a number of bytes`)
  }
  return bytes
}
