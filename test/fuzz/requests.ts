import { encodeFrame } from '../../server/wire/frames.js'
import type { Random } from './random.js'

const SEGMENTS = [
  'a', 'b', 'd', '..', '.', '', '%2e%2e', '%2E.', '%2f', '%5c', '\\', '%00', '%', '%zz', '%ff', '%c0%ae', '%ed%a0%80',
  '%E2%82%AC', '~', 'etc', 'passwd', 'content', 'a'.repeat(255), 'a'.repeat(256), '+', ';', ':', '@', '*', '|', '"', '<',
  '%0d%0a', '%09', '%20', 'COM1', 'a.', '...', '%252e%252e', '\u00e4'.repeat(3),
] // biome-ignore format: a word list
const PREFIXES = [
  '/files',
  '/files/',
  '/inodes/1',
  '/inodes/2',
  '/inodes/',
  '/inodes',
  '/totals',
  '/batch',
  '/changesx',
  '/uploads',
  '/uploads/AAAAAAAAAAAAAAAAAAAAAA',
]
const QUERIES = [
  'limit=1',
  'limit=0',
  'limit=x',
  'after=a',
  'after=..',
  'xattr=user.a',
  'xattr=',
  'xattrs',
  'mode=create',
  'append',
  'sync',
  'nameless',
  'kind=rmdir',
  'keep',
  'download',
  'seek=data',
  'seek=hole',
  'seek=x',
  'offset=5',
  'offset=9007199254740992',
  'reserve=1',
  'reserve=99999',
  '%',
  '=',
  '&&',
  'limit=1&limit=2',
  'after=%ff',
  'a[b]=c',
  '__proto__=1',
]
export const METHODS = [
  'GET',
  'HEAD',
  'PUT',
  'PATCH',
  'POST',
  'DELETE',
  'MOVE',
  'COPY',
  'OPTIONS',
  'LOCK',
]
const NUMBERS = [
  '0',
  '1',
  '-1',
  '5',
  '10',
  '9007199254740991',
  '9007199254740992',
  '18446744073709551615',
  '1e9',
  '0x10',
  '00',
  '',
  ' ',
  'NaN',
  '4294967295',
]

const VALUES = [
  ...NUMBERS,
  '*',
  '"a"',
  'W/"a"',
  '"',
  'T',
  'F',
  'bytes',
  'now',
  '0644',
  '0999',
  'Sun, 06 Nov 1994 08:49:37 GMT',
  'sha-256=:AAAA:',
  'sha-256=::',
  '/files/x',
  '/files/../x',
  'http://127.0.0.1/files/x',
  'infinity',
  'application/json',
  'application/octet-stream',
  'application/vnd.coffer.ranges',
  'application/vnd.coffer.batch',
  'text/plain',
  'gzip',
  'process',
  'power',
  '\x80\xff',
  'a'.repeat(2000),
  'bytes 0-0/*',
  'bytes 5-1/*',
  'bytes=0-0',
  '100-continue',
  'sha-256=1',
  'sha-512=10, sha-256=2',
  'trailers',
  '1.0.0',
  'filename YQ==',
  'filename Li4vYQ==, x',
  'application/offset+octet-stream',
  'application/vnd.coffer.zero+json',
  'application/vnd.coffer.copy+json',
]
const FIELDS = [
  'Range',
  'If-Range',
  'If-Match',
  'If-None-Match',
  'If-Modified-Since',
  'If-Unmodified-Since',
  'Content-Range',
  'Content-Type',
  'Destination',
  'Overwrite',
  'Depth',
  'Coffer-Mode',
  'Coffer-Uid',
  'Coffer-Gid',
  'Coffer-Mtime',
  'Coffer-Atime',
  'Coffer-Size',
  'Coffer-Ino',
  'Coffer-Connection',
  'Coffer-Durability',
  'Coffer-Exchange',
  'Content-Digest',
  'Repr-Digest',
  'Want-Repr-Digest',
  'Want-Content-Digest',
  'TE',
  'Tus-Resumable',
  'Upload-Length',
  'Upload-Offset',
  'Upload-Metadata',
  'Upload-Defer-Length',
  'Content-Encoding',
  'Last-Event-ID',
]

export const target = ({ one, many, below }: Random): string => {
  const path = [one(PREFIXES), ...many(5, () => one(SEGMENTS))].join('/')
  const query = below(3) === 0 ? `?${many(3, () => one(QUERIES)).join('&')}` : ''
  return Buffer.from(path + query)
    .toString('latin1')
    .replace(/[^\x21-\xff]/g, '')
}
export const range = ({ one, many, below }: Random): string =>
  `${one(['bytes', 'bytes', 'bytes', 'Bytes', 'lines', ''])}${one(['=', '=', '=', ' ', ''])}${many(
    6,
    () =>
      one([
        `${one(NUMBERS)}-${one(NUMBERS)}`,
        `${below(12)}-${below(12)}`,
        `-${below(12)}`,
        `${below(12)}-`,
        '-',
        '',
      ]),
  ).join(one([',', ', ', ',,', ';']))}`
export const fields = ({ one, many }: Random): Record<string, string> =>
  Object.fromEntries(many(4, () => [one(FIELDS), one(VALUES)]))

/** JSON that is nearly right. */
export function json(random: Random, depth = 0): unknown {
  const { one, many, below } = random
  const leaf = () =>
    one([
      null,
      true,
      -1,
      0,
      1,
      2,
      0o644,
      2 ** 53,
      1e300,
      0.5,
      '',
      'a',
      '..',
      'a/b',
      'now',
      '5',
      '-5',
      'x'.repeat(300),
      '\ud800',
      '\0',
      [],
      {},
    ])
  if (depth > 2 || below(4) === 0) return leaf()
  const keys = [
    'type',
    'mode',
    'uid',
    'gid',
    'size',
    'atime',
    'mtime',
    'ino',
    'path',
    'target',
    'rdev',
    'op',
    'directory',
    'name',
    'names',
    'place',
    'what',
    'attributes',
    'changes',
    'offset',
    'bytes',
    'kind',
    'keep',
    'from',
    'to',
    'length',
    'stopOnError',
    'limit',
    'after',
    'extend',
    'inos',
    'ifMatch',
    'durability',
    'lock',
    'request',
    'claims',
    '__proto__',
    'constructor',
  ]
  return Object.fromEntries(many(6, () => [one(keys), json(random, depth + 1)]))
}

const OPERATIONS = (root: number): object[] => {
  const place = { directory: root, name: 'a' }
  const range = { space: 'posix', owner: 'p', start: 0, end: 9 }
  const lock = { ...range, type: 'write', pid: 1 }
  const ino = root + 1
  return [
    { op: 'root' },
    { op: 'stat', ino: root },
    { op: 'lookup', directory: root, name: 'a' },
    { op: 'list', directory: root },
    { op: 'read', ino: root + 1 },
    { op: 'put', place, mode: 'replace' },
    { op: 'write', ino: root + 1, offset: 3 },
    { op: 'make', place, what: { type: 'file' } },
    { op: 'remove', place, kind: 'either' },
    { op: 'rename', from: place, to: { directory: root, name: 'b' }, mode: 'exchange' },
    { op: 'setAttributes', ino: root + 1, changes: { size: 5 } },
    { op: 'setXattr', ino: root + 1, name: 'user.a', mode: 'either' },
    { op: 'release', ino: root + 1 },
    { op: 'link', ino: root + 1, place },
    { op: 'makeNameless', directory: root },
    { op: 'readAll', inos: [ino, root, 2 ** 40], bytes: 5 },
    { op: 'seek', ino, offset: 3, what: 'hole' },
    { op: 'zero', ino, offset: 2, bytes: 2 ** 30, extend: true },
    { op: 'copyRange', from: { ino, offset: 0 }, to: { ino, offset: 3 }, bytes: 5 },
    { op: 'getXattr', ino, name: 'user.a' },
    { op: 'listXattrs', ino },
    { op: 'removeXattr', ino, name: 'user.a' },
    { op: 'remove', place, kind: 'unlink', ifMatch: '"1-1"' },
    { op: 'stat', ino, durability: 'power' },
    { op: 'lock', ino, request: 'r', lock, wait: true, delegable: true },
    { op: 'unlock', ino, range },
    { op: 'testLock', ino, lock },
    { op: 'cancelLock', ino, request: 'r' },
    { op: 'returnLocks', ino, locks: [lock] },
    { op: 'renewLocks' },
    { op: 'claimLocks', claims: [{ ino, locks: [lock] }], last: true },
    { op: 'endLocks' },
  ]
}

export function damaged({ below, bytes }: Random, body: Buffer): Buffer {
  if (body.length === 0 || below(2) === 0) return body
  const at = below(body.length)
  const kinds = [
    () => body.subarray(0, at),
    () => Buffer.concat([body.subarray(0, at), bytes(8), body.subarray(at)]),
    () => Buffer.concat([body.subarray(0, at), Buffer.from([below(256)]), body.subarray(at + 1)]),
  ]
  return kinds[below(kinds.length)]?.() ?? body
}

export function batchBody(random: Random, root: number): Buffer {
  const { one, many, below, bytes } = random
  const frames = many(5, () => {
    const operation =
      below(4) === 0 ? { ...(json(random) as object) } : { ...one(OPERATIONS(root)) }
    const odd =
      below(4) === 0
        ? { [one(['ino', 'length', 'op', 'place', 'offset', 'bytes', 'lock'])]: json(random, 2) }
        : {}
    return encodeFrame({ ...operation, ...odd }, below(2) === 0 ? bytes(50) : undefined)
  })
  return damaged(random, Buffer.concat(frames))
}

export function pieces(random: Random): Buffer {
  const { many, one, bytes } = random
  const all = many(4, () => {
    const data = bytes(20)
    const header = Buffer.alloc(12)
    header.writeBigUInt64BE(one([0n, 5n, 100n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n]))
    header.writeUInt32BE(one([data.length, data.length, 0, 2 ** 32 - 1]), 8)
    return Buffer.concat([header, data])
  })
  return damaged(random, Buffer.concat(all))
}
