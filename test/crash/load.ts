import { createCipheriv, createHash } from 'node:crypto'
import type { FileApi } from '../support/files.js'

/** What a file may be found to hold; undefined: nothing is there. */
export type Content = Buffer | undefined

/** A file that one writer alone changes: what was acknowledged last, and what was asked for since. */
export interface Tracked {
  readonly path: string
  acknowledged: Content
  asked: { readonly content: Content } | undefined
  /** A resumable upload that becomes its content when it is whole. */
  upload: Upload | undefined
}

interface Upload {
  readonly location: string
  readonly content: Buffer
  /** Bytes that the server has said it has, and those that have been sent. */
  acknowledged: number
  sent: number
}

type Choose = (below: number) => number

/** Repeatable choices. */
export function chooser(seed: string): Choose {
  let count = 0
  return (below) =>
    createHash('sha256').update(`${seed} ${count++}`).digest().readUInt32BE() % below
}

/** Bytes that belong to this write and no other, and each to its place. */
function bytes(label: string, length: number): Buffer {
  const key = createHash('sha256').update(label).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

interface Change {
  readonly content: Content
  readonly method: string
  readonly query?: string
  readonly headers?: Record<string, string>
  readonly body?: Buffer | string
}

type Kind = (old: Buffer, label: string, choose: Choose) => Change

const replace: Kind = (_old, label, choose) => {
  const length = choose(4) === 0 ? 2 ** 20 + choose(2 ** 20) : 1 + choose(9000)
  const content = bytes(label, length)
  return { method: 'PUT', content, body: content }
}

const remove: Kind = () => ({ method: 'DELETE', content: undefined })

const cut: Kind = (old, _label, choose) => {
  const size = choose(old.length + 1)
  return {
    method: 'PATCH',
    content: old.subarray(0, size),
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ size }),
  }
}

const append: Kind = (old, label, choose) => {
  const end = bytes(label, 1 + choose(5000))
  return {
    method: 'PATCH',
    query: '?append',
    content: Buffer.concat([old, end]),
    headers: { 'Content-Type': 'application/octet-stream' },
    body: end,
  }
}

/** Bytes within the file; now and then some beyond its end, too. */
const overwrite: Kind = (old, label, choose) => {
  const { offset, data } = piece(old, label, choose)
  const last = offset + data.length - 1
  return {
    method: 'PATCH',
    content: overwritten(old, offset, data),
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Range': `bytes ${offset}-${last}/*`,
    },
    body: data,
  }
}

/** Several places of the file in one request. */
const overwriteSeveral: Kind = (old, label, choose) => {
  let content = old
  const body: Buffer[] = []
  for (let count = 2 + choose(3); count > 0; count--) {
    const { offset, data } = piece(old, `${label} ${count}`, choose)
    const head = Buffer.alloc(12)
    head.writeBigUInt64BE(BigInt(offset))
    head.writeUInt32BE(data.length, 8)
    body.push(head, data)
    content = overwritten(content, offset, data)
  }
  return {
    method: 'PATCH',
    content,
    headers: { 'Content-Type': 'application/vnd.coffer.ranges' },
    body: Buffer.concat(body),
  }
}

function piece(old: Buffer, label: string, choose: Choose): { offset: number; data: Buffer } {
  const offset = choose(old.length + 1)
  const beyond = choose(4) === 0 ? 3000 : 0
  return { offset, data: bytes(label, 1 + choose(old.length - offset + beyond + 1)) }
}

function overwritten(old: Buffer, offset: number, data: Buffer): Buffer {
  return Buffer.concat([old.subarray(0, offset), data, old.subarray(offset + data.length)])
}

const KINDS: readonly Kind[] = [
  replace,
  remove,
  cut,
  append,
  overwrite,
  overwrite,
  overwrite,
  overwriteSeveral,
]

/** One change of a file, acknowledged or broken off by the crash. */
export async function change(
  api: FileApi,
  file: Tracked,
  label: string,
  choose: Choose,
): Promise<void> {
  const { upload, acknowledged: old } = file
  if (upload !== undefined && choose(2) === 0) {
    return sendPart(api, file, upload, 1 + choose(400_000))
  }
  const kind = old === undefined ? replace : KINDS[choose(KINDS.length)]
  if (kind === undefined) return
  const { content, method, query = '', ...sent } = kind(old ?? Buffer.alloc(0), label, choose)
  file.asked = { content }
  const path = `${file.path}${query}`
  const { status, body } = await api.send(method, path, sent)
  if (status >= 400) throw new Error(`${method} ${path}: ${status} ${body}`)
  file.acknowledged = content
  file.asked = undefined
}

const TUS = { 'Tus-Resumable': '1.0.0' }

export async function beginUpload(
  api: FileApi,
  file: Tracked,
  label: string,
  choose: Choose,
): Promise<void> {
  const content = bytes(label, 100_000 + choose(2_000_000))
  const headers = { ...TUS, 'Upload-Length': String(content.length) }
  const { status, headers: made, body } = await api.send('POST', file.path, { headers })
  if (status !== 201) throw new Error(`POST ${file.path}: ${status} ${body}`)
  file.upload = { location: String(made.location), content, acknowledged: 0, sent: 0 }
}

/** Sends the next bytes of an upload, from where the server said it is. */
async function sendPart(
  api: FileApi,
  file: Tracked,
  upload: Upload,
  length: number,
): Promise<void> {
  const { location, content, acknowledged: from } = upload
  upload.sent = Math.min(content.length, from + length)
  const isLast = upload.sent === content.length
  if (isLast) file.asked = { content }
  const headers = {
    ...TUS,
    'Upload-Offset': String(from),
    'Content-Type': 'application/offset+octet-stream',
  }
  const part = content.subarray(from, upload.sent)
  const { status, body } = await api.send('PATCH', location, { headers, body: part })
  if (status >= 400) throw new Error(`PATCH ${location}: ${status} ${body}`)
  upload.acknowledged = upload.sent
  if (!isLast) return
  file.acknowledged = content
  file.asked = undefined
  file.upload = undefined
}

/** Sends the rest of an upload. */
export async function endUpload(api: FileApi, file: Tracked): Promise<void> {
  if (file.upload === undefined) return
  await sendPart(api, file, file.upload, file.upload.content.length)
}

/** How much of an upload the server says has come. */
export async function uploadOffset(api: FileApi, { location }: Upload): Promise<number> {
  const { status, headers } = await api.send('HEAD', location, { headers: TUS })
  if (status !== 200) throw new Error(`HEAD ${location}: ${status}`)
  return Number(headers['upload-offset'])
}

export function same(one: Content, other: Content): boolean {
  return one === undefined || other === undefined ? one === other : one.equals(other)
}
