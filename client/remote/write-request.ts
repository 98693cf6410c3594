import { HEADERS } from '../../server/wire/headers.js'
import type { WireAttributeChanges } from '../../server/wire/inodes.js'
import { AT_THE_END, PIECE_HEAD_BYTES, RANGES_TYPE } from '../../server/wire/patch.js'
import type { FileRequest } from './file-requests.js'
import type { RemotePart, WriteOptions } from './remote-files.js'

/** Parts of a file as one PATCH: plain bytes where each goes on behind the one before, or else framed pieces. */
export function writeRequest(
  ino: number,
  parts: readonly RemotePart[],
  { attributes, ifMatch }: Pick<WriteOptions, 'attributes' | 'ifMatch'>,
): FileRequest {
  const target = `/inodes/${ino}`
  const headers = {
    ...attributeHeaders(attributes ?? {}),
    ...conditionHeaders({ ifMatch }),
  }
  const [first] = parts
  if (first !== undefined && isOneStretch(parts)) {
    const octets = { ...headers, 'Content-Type': 'application/octet-stream' }
    const size = parts.reduce((sum, part) => sum + part.data.length, 0)
    const content = parts.length === 1 ? first.data : { size, open: () => inOrder(parts) }
    if (first.offset === 'append') {
      return { method: 'PATCH', target: `${target}?append`, headers: octets, content }
    }
    const range = { 'Content-Range': `bytes ${first.offset}-${first.offset + size - 1}/*` }
    return { method: 'PATCH', target, headers: { ...octets, ...range }, content }
  }
  return {
    method: 'PATCH',
    target,
    headers: { ...headers, 'Content-Type': RANGES_TYPE },
    content: {
      size: parts.reduce((sum, part) => sum + PIECE_HEAD_BYTES + part.data.length, 0),
      open: () => framed(parts),
    },
  }
}

export function conditionHeaders({ ifMatch }: { ifMatch?: string | undefined }) {
  return ifMatch === undefined ? {} : { 'If-Match': ifMatch }
}

/** Attributes as request headers, for what a request makes or writes. */
export function attributeHeaders(attributes: WireAttributeChanges): Record<string, string> {
  const { mode, uid, gid, size, permissions, atime, mtime } = attributes
  return {
    ...(mode === undefined ? {} : { [HEADERS.mode]: mode.toString(8).padStart(4, '0') }),
    ...(uid === undefined ? {} : { [HEADERS.uid]: String(uid) }),
    ...(gid === undefined ? {} : { [HEADERS.gid]: String(gid) }),
    ...(size === undefined ? {} : { [HEADERS.size]: String(size) }),
    ...(permissions === undefined ? {} : { [HEADERS.permissions]: String(permissions) }),
    ...(atime === undefined ? {} : { [HEADERS.atime]: atime }),
    ...(mtime === undefined ? {} : { [HEADERS.mtime]: mtime }),
  }
}

/** Each part goes on where the one before ends. */
export function isOneStretch(parts: readonly RemotePart[]): boolean {
  let end = parts[0]?.offset
  return parts.every(({ offset, data }) => {
    const goesOn = offset === end
    if (typeof end === 'number') end += data.length
    return goesOn
  })
}

async function* inOrder(parts: readonly RemotePart[]): AsyncGenerator<Buffer> {
  for (const { data } of parts) yield data
}

async function* framed(parts: readonly RemotePart[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield* piece(part)
}

/** All pieces (`RANGES_TYPE`), at once. */
export function ranges(parts: readonly RemotePart[]): Buffer {
  return Buffer.concat(parts.flatMap(piece))
}

function piece({ offset, data }: RemotePart): [Buffer, Buffer] {
  const head = Buffer.alloc(PIECE_HEAD_BYTES)
  head.writeBigUInt64BE(offset === 'append' ? AT_THE_END : BigInt(offset))
  head.writeUInt32BE(data.length, 8)
  return [head, data]
}
