import { expect } from 'chai'
import { errnoOf } from '../../../client/fuse/errno.js'
import type { FuseAttributes, FuseEntry } from '../../../client/fuse/filesystem.js'
import { agreedFlags } from '../../../client/fuse/handshake.js'
import { timespec } from '../../../client/fuse/integers.js'
import { INIT, OPCODE, type OperationName } from '../../../client/fuse/protocol.js'
import {
  attrOut,
  direntsOut,
  direntsPlusOut,
  entryOut,
  initOut,
  invalidateEntryMessage,
  invalidateInodeMessage,
  negativeEntryOut,
  openOut,
  outHeader,
  statfsOut,
} from '../../../client/fuse/reply.js'
import { header, request } from '../../../client/fuse/request.js'
import { MemoryFileSystem } from './memory-file-system.js'

/** Bytes as a C structure of the kernel's would have them: numbers with their width, text with its NUL. */
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  return bytes
}
const u32 = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value >>> 0, index * 4)
  })
  return bytes
}
const z = (text: string) => Buffer.from(`${text}\0`)

const message = (opcode: number, ...body: Buffer[]): Buffer => {
  const bytes = Buffer.concat(body)
  const head = [u32(40 + bytes.length, opcode), u64(0x1122334455667788n), u64(7n)]
  return Buffer.concat([...head, u32(1000, 100, 4242, 0), bytes])
}

const decode = (opcode: number, ...body: Buffer[]) => {
  const bytes = message(opcode, ...body)
  // As in life: the buffer is longer than the request.
  return request(Buffer.concat([bytes, Buffer.alloc(64, 0xee)]), bytes.length)
}

const SETATTR_TIMES = Buffer.concat([u64(-2n), u64(2n ** 40n), u64(0n), u32(5, 999_999_999, 0)])

describe('requests (linux/fuse.h)', () => {
  it('fuse_in_header', () => {
    expect(header(message(1))).to.deep.equal({
      opcode: 1,
      unique: { low: 0x55667788, high: 0x11223344 },
      node: 7,
      uid: 1000,
      gid: 100,
      pid: 4242,
    })
  })

  const CASES: [OperationName, Buffer[], object][] = [
    [
      'init',
      [u32(7, 45, 131072, 0x8000_0021, 0x10)],
      { major: 7, minor: 45, maxReadahead: 131072, flags: 0x10_8000_0021n },
    ],
    ['init', [u32(7, 23, 131072, 1)], { major: 7, minor: 23, maxReadahead: 131072, flags: 1n }],
    ['lookup', [z('größe')], { name: 'größe' }],
    ['forget', [u64(3n)], { count: 3 }],
    [
      'batch_forget',
      [u32(2, 0), u64(5n), u64(1n), u64(6n), u64(2n)],
      {
        nodes: [
          { node: 5, count: 1 },
          { node: 6, count: 2 },
        ],
      },
    ],
    ['getattr', [u32(0, 0), u64(9n)], { handle: undefined }],
    ['getattr', [u32(1, 0), u64(9n)], { handle: 9 }],
    [
      'setattr',
      [
        u32(1 | 2 | 4 | 8, 0),
        u64(0n),
        u64(2n ** 52n),
        u64(0n),
        SETATTR_TIMES,
        u32(0o100644, 0, 1, 2, 0),
      ],
      {
        changes: { mode: 0o100644, uid: 1, gid: 2, size: 2 ** 52 },
        handle: undefined,
        killPrivileges: false,
      },
    ],
    [
      'setattr',
      [u32(16 | 32 | 64, 0), u64(3n), u64(0n), u64(0n), SETATTR_TIMES, u32(0, 0, 0, 0, 0)],
      {
        changes: { atime: -1_999_999_995n, mtime: 2n ** 40n * 1_000_000_000n + 999_999_999n },
        handle: 3,
        killPrivileges: false,
      },
    ],
    [
      'setattr',
      [
        u32(16 | 128 | 32 | 256 | 2048, 0),
        u64(0n),
        u64(0n),
        u64(0n),
        SETATTR_TIMES,
        u32(0, 0, 0, 0, 0),
      ],
      { changes: { atime: 'now', mtime: 'now' }, handle: undefined, killPrivileges: true },
    ],
    ['symlink', [z('name'), z('../target')], { name: 'name', target: '../target' }],
    ['mknod', [u32(0o010644, 0x501, 0o22, 0), z('p')], { mode: 0o010644, rdev: 0x501, name: 'p' }],
    ['mkdir', [u32(0o755, 0o22), z('d')], { mode: 0o755, name: 'd' }],
    ['unlink', [z('a')], { name: 'a' }],
    ['rmdir', [z('a')], { name: 'a' }],
    ['rename', [u64(2n), z('a'), z('b')], { newParent: 2, name: 'a', newName: 'b', flags: 0 }],
    [
      'rename2',
      [u64(2n), u32(1, 0), z('a'), z('b')],
      { newParent: 2, name: 'a', newName: 'b', flags: 1 },
    ],
    ['link', [u64(8n), z('b')], { source: 8, newName: 'b' }],
    ['open', [u32(0o1002, 0)], { flags: 0o1002, killPrivileges: false }],
    ['open', [u32(0o1002, 1)], { flags: 0o1002, killPrivileges: true }],
    [
      'create',
      [u32(0o302, 0o644, 0o22, 0), z('n')],
      { flags: 0o302, mode: 0o644, killPrivileges: false, name: 'n' },
    ],
    [
      'read',
      [u64(4n), u64(2n ** 33n), u32(131072, 0), u64(0n), u32(0, 0)],
      { handle: 4, offset: 2 ** 33, size: 131072 },
    ],
    [
      'write',
      [u64(4n), u64(2n ** 33n), u32(3, 4), u64(0n), u32(0, 0), Buffer.from('abc')],
      {
        handle: 4,
        offset: 2 ** 33,
        data: Buffer.from('abc'),
        killPrivileges: true,
        fromPages: false,
      },
    ],
    ['fsync', [u64(4n), u32(1, 0)], { handle: 4, dataOnly: true }],
    [
      'setxattr',
      [u32(3, 2), z('user.a'), Buffer.from([1, 0, 2])],
      { name: 'user.a', value: Buffer.from([1, 0, 2]), flags: 2 },
    ],
    ['getxattr', [u32(64, 0), z('user.a')], { size: 64, name: 'user.a' }],
    ['listxattr', [u32(0, 0)], { size: 0 }],
    ['interrupt', [u64(2n ** 63n)], { target: { low: 0, high: 2 ** 31 } }],
    [
      'fallocate',
      [u64(4n), u64(10n), u64(20n), u32(3, 0)],
      { handle: 4, offset: 10, length: 20, mode: 3 },
    ],
    [
      'lseek',
      [u64(4n), u64(2n ** 63n - 1n), u32(3, 0)],
      { handle: 4, offset: Number.MAX_SAFE_INTEGER, whence: 3 },
    ],
    [
      'copy_file_range',
      [u64(1n), u64(2n), u64(3n), u64(4n), u64(5n), u64(6n), u64(0n)],
      { from: { handle: 1, offset: 2 }, to: { node: 3, handle: 4, offset: 5 }, length: 6 },
    ],
    ['access', [u32(4, 0)], { mask: 4 }],
  ]
  for (const [op, body, fields] of CASES) {
    it(`${op} ${JSON.stringify(fields, (_, value) => (typeof value === 'bigint' ? String(value) : value)).slice(0, 70)}`, () => {
      expect(decode(OPCODE[op], ...body)).to.deep.equal({ op, fields })
    })
  }

  const REFUSED: [string, () => unknown, string][] = [
    ['an unknown operation', () => decode(4096), 'ENOSYS'],
    [
      'a name that is not UTF-8',
      () => decode(OPCODE.lookup, Buffer.from([0x66, 0xff, 0])),
      'EILSEQ',
    ],
    [
      'a new name that is not UTF-8',
      () => decode(OPCODE.rename, u64(1n), z('a'), Buffer.from([0xc3, 0])),
      'EILSEQ',
    ],
    [
      'a write beyond 2^53',
      () =>
        decode(OPCODE.write, u64(1n), u64(2n ** 53n - 1n), u32(1, 0), u64(0n), u32(0, 0), z('')),
      'EFBIG',
    ],
    [
      'a size beyond 2^53',
      () => decode(OPCODE.setattr, u32(8, 0), u64(0n), u64(2n ** 53n), Buffer.alloc(64)),
      'EFBIG',
    ],
  ]
  for (const [what, refused, code] of REFUSED) {
    it(`${what} is ${code}`, () => {
      expect(refused).to.throw().with.property('code', code)
    })
  }
})

const ATTRIBUTES: FuseAttributes = {
  ino: 2 ** 53 - 1,
  size: 2 ** 40 + 1,
  blocks: 3,
  atime: timespec('-1'),
  mtime: timespec('1500000001'),
  ctime: timespec(String(2n ** 40n * 1_000_000_000n)),
  mode: 0o100644,
  nlink: 2,
  uid: 0xffff_fffe,
  gid: 4,
  rdev: 5,
  blksize: 4096,
  validMilliseconds: 1500,
}
const ATTR = Buffer.concat([
  u64(2n ** 53n - 1n),
  u64(2n ** 40n + 1n),
  u64(3n),
  u64(-1n),
  u64(1n),
  u64(2n ** 40n),
  u32(999_999_999, 500_000_001, 0, 0o100644, 2, 0xffff_fffe, 4, 5, 4096, 0),
])
const ENTRY: FuseEntry = { node: 9, generation: 1, validMilliseconds: 2250, attributes: ATTRIBUTES }
const ENTRY_OUT = Buffer.concat([
  u64(9n),
  u64(1n),
  u64(2n),
  u64(1n),
  u32(250_000_000, 500_000_000),
  ATTR,
])

describe('answers (linux/fuse.h)', () => {
  const encoded = (encode: (out: Buffer, at: number) => number): Buffer => {
    const out = Buffer.alloc(512, 0xee)
    return out.subarray(16, encode(out, 16))
  }

  it('fuse_out_header', () => {
    const out = Buffer.alloc(16)
    outHeader(out, 16, -2, { low: 1, high: 2 ** 31 })
    expect(out).to.deep.equal(Buffer.concat([u32(16, -2), u64(2n ** 63n + 1n)]))
  })

  const CASES: [string, (out: Buffer, at: number) => number, Buffer][] = [
    [
      'fuse_attr_out, times before 1970 too',
      (out, at) => attrOut(out, at, ATTRIBUTES),
      Buffer.concat([u64(1n), u32(500_000_000, 0), ATTR]),
    ],
    ['fuse_entry_out', (out, at) => entryOut(out, at, ENTRY), ENTRY_OUT],
    [
      'fuse_entry_out of a name that does not exist',
      (out, at) => negativeEntryOut(out, at, 1001),
      Buffer.concat([u64(0n), u64(0n), u64(1n), u64(0n), u32(1_000_000, 0), Buffer.alloc(88)]),
    ],
    [
      'fuse_open_out of a file',
      (out, at) => openOut(out, at, { handle: 5, keepCache: true, directIo: true }, 'file'),
      Buffer.concat([u64(5n), u32(3, 0)]),
    ],
    [
      'fuse_open_out of a directory',
      (out, at) => openOut(out, at, { handle: 5, keepCache: true, directIo: false }, 'directory'),
      Buffer.concat([u64(5n), u32(10, 0)]),
    ],
    [
      'fuse_statfs_out',
      (out, at) =>
        statfsOut(out, at, {
          blocks: 1,
          bfree: 2,
          bavail: 3,
          files: 4,
          ffree: 5,
          bsize: 4096,
          namelen: 255,
        }),
      Buffer.concat([
        u64(1n),
        u64(2n),
        u64(3n),
        u64(4n),
        u64(5n),
        u32(4096, 255, 4096),
        Buffer.alloc(28),
      ]),
    ],
    [
      'fuse_init_out',
      (out, at) => initOut(out, at, { maxReadahead: 131072, flags: 0x10_0000_0021n }),
      Buffer.concat([
        u32(7, 38, 131072, 0x21, (48 << 16) | 64, 1 << 20, 1, 256, 0x10),
        Buffer.alloc(28),
      ]),
    ],
  ]
  for (const [what, encode, bytes] of CASES) {
    it(what, () => expect(encoded(encode)).to.deep.equal(bytes))
  }

  const LIST = ['.', 'a', 'name of 16 bytes'].map((name, index) => ({
    name,
    ino: index + 1,
    type: index === 0 ? 0o040000 : 0o100000,
    offset: index + 1,
  }))
  const dirent = (index: number, type: number, name: string) =>
    Buffer.concat([
      u64(BigInt(index)),
      u64(BigInt(index)),
      u32(name.length, type),
      Buffer.from(name),
      Buffer.alloc((8 - (name.length % 8)) % 8),
    ])
  const DIRENTS = [dirent(1, 4, '.'), dirent(2, 8, 'a'), dirent(3, 8, 'name of 16 bytes')]

  it('fuse_dirent, as many as fit', () => {
    expect(direntsOut(4096, LIST)).to.deep.equal(Buffer.concat(DIRENTS))
    expect(direntsOut(32 + 32 + 39, LIST)).to.deep.equal(Buffer.concat(DIRENTS.slice(0, 2)))
    expect(direntsOut(31, LIST)).to.have.length(0)
  })

  it('fuse_direntplus, "." without a reference', () => {
    const list = LIST.map((entry) => ({ ...entry, entry: ENTRY }))
    const { data, taken } = direntsPlusOut(2 * 160 + 50, list)
    expect(taken).to.equal(2)
    const [dot = Buffer.alloc(0), a = Buffer.alloc(0)] = DIRENTS
    expect(data).to.deep.equal(Buffer.concat([Buffer.alloc(128), dot, ENTRY_OUT, a]))
  })

  it('entries in no more memory than they need, however much the kernel has room for', () => {
    const list = LIST.map((entry) => ({ ...entry, entry: ENTRY }))
    // Small ones may be part of the pool: 8 KiB, 64 from Node.js 24 on, a little more from 26 on.
    expect(direntsOut(2 ** 20, LIST).buffer.byteLength).to.be.at.most(2 ** 17)
    expect(direntsPlusOut(2 ** 20, list).data.buffer.byteLength).to.be.at.most(2 ** 17)
  })

  it('fuse_notify_inval_entry_out and fuse_notify_inval_inode_out', () => {
    for (const [expireOnly, flags] of [
      [false, 0],
      [true, 1],
    ] as const)
      expect(invalidateEntryMessage(1, 'ä', expireOnly)).to.deep.equal(
        Buffer.concat([u32(35, 3), u64(0n), u64(1n), u32(2, flags), z('ä')]),
      )
    expect(invalidateInodeMessage(2, -1, 0)).to.deep.equal(
      Buffer.concat([u32(40, 2), u64(0n), u64(2n), u64(-1n), u64(0n)]),
    )
  })
})

describe('the handshake', () => {
  it('asks only for what the kernel offers', () => {
    expect(agreedFlags(INIT.ASYNC_READ | (1n << 16n), new MemoryFileSystem())).to.equal(
      INIT.ASYNC_READ,
    )
  })

  it('never asks for the write-back cache, and for readdirplus only where there is one', () => {
    const all = 2n ** 64n - 1n
    const whole = new MemoryFileSystem()
    expect(agreedFlags(all, whole) & (1n << 16n)).to.equal(0n)
    expect(agreedFlags(all, whole) & INIT.DO_READDIRPLUS).to.equal(INIT.DO_READDIRPLUS)
    const without = Object.assign(Object.create(whole), { readdirplus: undefined })
    expect(agreedFlags(all, without) & INIT.DO_READDIRPLUS).to.equal(0n)
  })
})

describe('errors', () => {
  const CASES: [string, unknown, number][] = [
    ['an errno name', Object.assign(new Error(), { code: 'ENOTEMPTY' }), 39],
    ['a code that is none', Object.assign(new Error(), { code: 'ERR_INVALID_ARG_TYPE' }), 5],
    ['a number', Object.assign(new Error(), { code: 2 }), 5],
    ['no object', 'ENOENT', 5],
  ]
  for (const [what, error, errno] of CASES) {
    it(`${what} is ${errno}`, () => expect(errnoOf(error)).to.equal(errno))
  }
})
