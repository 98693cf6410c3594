import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { RemoteError } from '../../../../client/remote-error.js'
import { caller, O_RDONLY, O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'

const MIB = 2 ** 20
const SEEK_DATA = 3
const SEEK_HOLE = 4
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const ZERO_RANGE = 16

describe('ranges of files that the server changes by itself', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines())
  })
  afterEach(() => earth.close())

  /** A file with this content on the server, open for reading and writing here. */
  async function opened(name: string, bytes: Buffer) {
    const { fs, calls } = here
    const file = await calls.create(ROOT, name)
    if (bytes.length > 0) await fs.write(file.node, file.handle, 0, bytes, caller)
    await fs.flush(file.node, file.handle, caller)
    await fs.release(file.node, file.handle, caller)
    const { handle } = await fs.open(file.node, O_RDWR, caller)
    return { node: file.node, handle }
  }
  type Opened = Awaited<ReturnType<typeof opened>>

  const seek = (file: Opened, offset: number, whence: number) =>
    here.fs.lseek?.(file.node, file.handle, offset, whence, caller)
  const allocate = (file: Opened, mode: number, offset: number, length: number) =>
    here.fs.fallocate?.(file.node, file.handle, offset, length, mode, caller)
  const copy = (
    from: Opened & { offset: number },
    to: Opened & { offset: number },
    length: number,
  ) => here.fs.copyFileRange?.(from, to, length, caller)
  const bytesOf = ({ node, handle }: Opened, length: number) =>
    here.fs.read(node, handle, 0, length, caller)

  async function refused(work: Promise<unknown> | undefined): Promise<unknown> {
    try {
      await work
    } catch (error) {
      return (error as { code?: unknown }).code
    }
    throw new Error('nothing was refused')
  }

  it('are sought without a request where the file has no holes', async () => {
    const file = await opened('dense', randomBytes(MIB))
    here.requests.clear()
    expect(await seek(file, 5, SEEK_DATA)).to.equal(5)
    expect(await seek(file, 5, SEEK_HOLE)).to.equal(MIB)
    expect(await refused(seek(file, MIB, SEEK_HOLE))).to.equal('ENXIO')
    expect(await refused(seek(file, 5, 9))).to.equal('EINVAL')
    expect(here.requests.made).to.deep.equal([])
  })

  it('are sought on the server where it has, after what is unsent', async () => {
    const file = await opened('sparse', Buffer.alloc(0))
    await here.fs.setattr(file.node, { size: 8 * MIB }, file.handle, caller)
    await here.fs.write(file.node, file.handle, 4 * MIB, randomBytes(MIB), caller)
    here.requests.clear()
    expect(await seek(file, 0, SEEK_DATA)).to.equal(4 * MIB)
    expect(await seek(file, 4 * MIB, SEEK_HOLE)).to.equal(5 * MIB)
    expect(await refused(seek(file, 6 * MIB, SEEK_DATA))).to.equal('ENXIO')
    expect(here.requests.count('write')).to.equal(1)
    expect(here.requests.count('seek')).to.equal(3)
  })

  it('become zeros in one request without bytes, however long they are', async () => {
    const file = await opened('long', randomBytes(4 * MIB))
    await here.fs.write(file.node, file.handle, 0, Buffer.from('unsent'), caller)
    here.requests.clear()
    await allocate(file, PUNCH_HOLE | KEEP_SIZE, 1, 100 * MIB)
    expect(here.requests.made.map((made) => made.split(' ')[0])).to.deep.equal(['write', 'zero'])
    const expected = Buffer.alloc(4 * MIB)
    expected.write('u')
    expect((await bytesOf(file, 5 * MIB)).equals(expected)).to.equal(true)
    expect((await here.calls.stat(file.node)).blocks * 512).to.be.below(64 * 1024)
    await allocate(file, ZERO_RANGE, 2 * MIB, 4 * MIB)
    expect(here.requests.count('zero')).to.equal(2)
    expect((await here.calls.stat(file.node)).size).to.equal(6 * MIB)
    expect((await there.calls.lookup(ROOT, 'long')).attributes.size).to.equal(6 * MIB)
  })

  it('become zeros with what else is written where they are short', async () => {
    const file = await opened('short', Buffer.alloc(10_000, 'x'))
    here.requests.clear()
    await allocate(file, PUNCH_HOLE | KEEP_SIZE, 1, 9_998)
    await here.fs.write(file.node, file.handle, 5_000, Buffer.from('y'), caller)
    await here.fs.flush(file.node, file.handle, caller)
    expect(here.requests.made.map((made) => made.split(' ')[0])).to.deep.equal(['write'])
    const expected = Buffer.alloc(10_000)
    for (const [at, letter] of [
      [0, 'x'],
      [5_000, 'y'],
      [9_999, 'x'],
    ] as const)
      expected.write(letter, at)
    expect((await bytesOf(file, 20_000)).equals(expected)).to.equal(true)
  })

  it('are copied without their bytes, after what both files have unsent', async () => {
    const bytes = randomBytes(3 * MIB)
    const [from, to] = [await opened('from', bytes), await opened('to', Buffer.alloc(100, '.'))]
    await here.fs.write(from.node, from.handle, 0, Buffer.from('changed'), caller)
    await here.fs.write(to.node, to.handle, 0, Buffer.from('head'), caller)
    here.requests.clear()
    expect(await copy({ ...from, offset: 0 }, { ...to, offset: 10 }, 100 * MIB)).to.equal(3 * MIB)
    expect(here.requests.made.map((made) => made.split(' ')[0])).to.deep.equal([
      'write',
      'write',
      'copyRange',
    ])
    bytes.write('changed')
    const expected = Buffer.concat([Buffer.from('head......'), bytes])
    expect((await bytesOf(to, 4 * MIB)).equals(expected)).to.equal(true)
    expect((await here.calls.stat(to.node)).size).to.equal(3 * MIB + 10)
    expect(await copy({ ...from, offset: 3 * MIB }, { ...to, offset: 0 }, 10)).to.equal(0)
  })

  it('are copied into a new file that the server has not heard of', async () => {
    const from = await opened('old', randomBytes(MIB))
    await here.calls.lookup(ROOT, 'new')
    const to = await here.calls.create(ROOT, 'new', O_RDWR)
    expect(await copy({ ...from, offset: 0 }, { ...to, offset: 0 }, MIB)).to.equal(MIB)
    const entry = await there.calls.lookup(ROOT, 'new')
    expect(entry.attributes).to.include({ ino: to.attributes.ino, size: MIB })
  })

  const SHORT = 10_000
  /** As cp(1) does it. @returns the file, closed */
  async function copiedTo(name: string, from: Opened, bytes: number) {
    const { fs, calls } = here
    await calls.lookup(ROOT, name)
    const to = await calls.create(ROOT, name)
    expect(await copy({ ...from, offset: 0 }, { ...to, offset: 0 }, MIB)).to.equal(bytes)
    await fs.flush(to.node, to.handle, caller)
    await fs.release(to.node, to.handle, caller)
    return to
  }

  it('of a short file go into a new one with its own request, unsent bytes too', async () => {
    const bytes = randomBytes(SHORT)
    const from = await opened('short', bytes)
    await here.fs.write(from.node, from.handle, 5, Buffer.from('unsent'), caller)
    here.requests.clear()
    const to = await copiedTo('new', from, SHORT)
    const made = here.requests.made.map((request) => request.split(' ')[0])
    expect(made).to.deep.equal(['lookup', 'read', 'put'])
    bytes.write('unsent', 5)
    const { node } = await there.calls.lookup(ROOT, 'new')
    const { handle } = await there.fs.open(node, O_RDONLY, caller)
    expect(await there.fs.read(node, handle, 0, MIB, caller)).to.deep.equal(bytes)
    expect(await here.calls.stat(to.node)).to.include({ size: SHORT })
  })

  it('of a short file are copied by the server where the new one has content or the old one holes', async () => {
    const from = await opened('short', randomBytes(SHORT))
    const to = await opened('to', Buffer.from('content'))
    here.requests.clear()
    expect(await copy({ ...from, offset: 0 }, { ...to, offset: 0 }, MIB)).to.equal(SHORT)
    const sparse = await opened('sparse', Buffer.alloc(0))
    await here.fs.setattr(sparse.node, { size: SHORT }, sparse.handle, caller)
    await copiedTo('new', sparse, SHORT)
    expect(here.requests.count('copyRange')).to.equal(2)
  })

  it('of short files of one directory are fetched together, although the kernel has their pages', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `file ${index}`)
    for (const name of names) await there.calls.store(ROOT, name, name)
    const files = []
    for (const name of await here.calls.list(ROOT)) {
      const { node } = await here.calls.lookup(ROOT, name)
      expect(await here.calls.text(node)).to.equal(name)
      files.push({ node, ...(await here.fs.open(node, O_RDONLY, caller)), name })
    }
    here.requests.clear()
    for (const file of files) {
      const { node } = await copiedTo(`copy of ${file.name}`, file, file.name.length)
      expect(await here.calls.text(node)).to.equal(file.name)
    }
    expect(here.requests.count('copyRange')).to.equal(0)
    expect(here.requests.count('read') + here.requests.count('readAll')).to.be.at.most(8)
  })

  it('replace what was read ahead of the target', async () => {
    const [from, to] = [
      await opened('from', randomBytes(4 * MIB)),
      await opened('to', randomBytes(4 * MIB)),
    ]
    const { handle } = await here.fs.open(to.node, O_RDONLY, caller)
    for (let at = 0; at < MIB; at += 128 * 1024)
      await here.fs.read(to.node, handle, at, 128 * 1024, caller)
    expect(await copy({ ...from, offset: 0 }, { ...to, offset: 0 }, 4 * MIB)).to.equal(4 * MIB)
    for (let at = 0; at < 4 * MIB; at += 128 * 1024) {
      const read = await here.fs.read(to.node, handle, at, 128 * 1024, caller)
      const expected = await here.fs.read(from.node, from.handle, at, 128 * 1024, caller)
      expect(read.equals(expected), `at ${at}`).to.equal(true)
    }
  })

  it('do not make the kernel drop the pages of other ranges', async () => {
    const [from, to] = [
      await opened('from', randomBytes(MIB)),
      await opened('to', randomBytes(MIB)),
    ]
    here.invalidated.length = 0
    await copy({ ...from, offset: 0 }, { ...to, offset: 500 }, 1_000)
    await allocate(to, PUNCH_HOLE | KEEP_SIZE, 0, 500_000)
    expect(here.invalidated).to.deep.equal([])
    await here.fs.release(to.node, to.handle, caller)
    expect((await here.fs.open(to.node, O_RDWR, caller)).keepCache).to.equal(true)
  })

  it('are copied again where nobody told how much was, as a change of this mount', async () => {
    const [from, to] = [
      await opened('from', randomBytes(MIB)),
      await opened('to', randomBytes(MIB)),
    ]
    here.invalidated.length = 0
    let isTold = false
    here.fault.forgets = () => {
      if (isTold) return false
      isTold = true
      return true
    }
    expect(await copy({ ...from, offset: 0 }, { ...to, offset: 500 }, 1_000)).to.equal(1_000)
    expect(here.requests.count('copyRange')).to.equal(2)
    expect(here.invalidated).to.deep.equal([])
    await here.fs.release(to.node, to.handle, caller)
    expect((await here.fs.open(to.node, O_RDWR, caller)).keepCache).to.equal(true)
  })

  it('of one file must not overlap', async () => {
    const file = await opened('one', randomBytes(1_000))
    const overlapping = copy({ ...file, offset: 0 }, { ...file, offset: 500 }, 501)
    expect(await refused(overlapping)).to.equal('EINVAL')
    expect(await copy({ ...file, offset: 0 }, { ...file, offset: 500 }, 500)).to.equal(500)
  })

  it('report what the server refuses', async () => {
    const [from, to] = [await opened('from', randomBytes(MIB)), await opened('to', Buffer.alloc(0))]
    here.fault.next = (operation) =>
      ['copyRange', 'zero'].includes(operation) ? new RemoteError('EDQUOT', 'full') : undefined
    const copying = copy({ ...from, offset: 0 }, { ...to, offset: 0 }, MIB)
    expect(await refused(copying)).to.equal('EDQUOT')
    expect(await refused(allocate(from, ZERO_RANGE, 0, 2 * MIB))).to.equal('EDQUOT')
    here.fault.next = () => undefined
    expect((await here.calls.stat(from.node)).size).to.equal(MIB)
  })
})
