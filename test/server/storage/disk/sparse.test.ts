import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { nodeDisk } from '../../../../server/storage/disk/disk.js'
import { sparseCalls } from '../../../../server/storage/disk/sparse-calls.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { append, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

const COPY = { deep: false, source: overwrite, precondition: overwrite }

const UNKNOWN = { kind: 'unknown' } as const

describe('a hole', () => {
  it('stays one when a file is extended, written far out, copied and cut', async () => {
    const subject = await temporaryStorage()
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'begin')
      await tree.setAttributes(ino, { size: 10_000_000_000 }, overwrite, {})
      const parts = [{ offset: 5_000_000_000, data: Buffer.from('middle') }]
      await tree.write(ino, parts, overwrite, {})
      await tree.write(ino, [{ offset: append, data: Buffer.from('end') }], overwrite, {})
      expect((await tree.stat(ino)).size).to.equal(10_000_000_003)
      const content = await tree.open(ino)
      expect(String(await content.read(4_999_999_999, 8))).to.equal('\0middle\0')
      expect(String(await content.read(9_999_999_999, 100))).to.equal('\0end')
      await content.close()
      await tree.setAttributes(ino, { size: 20_000_000 }, overwrite, {})
      await tree.copy(
        ino,
        at(tree, 'g'),
        { deep: false, source: overwrite, precondition: overwrite },
        {},
      )
      const all = await files(subject.directory)
      for (const path of all) expect((await stat(path)).blocks * 512).to.be.below(100_000)
      expect(all).to.have.length(2)
    } finally {
      await subject.close()
    }
  })
})

describe('the copy of a hole', () => {
  it('does not read through it, however long it is', async function () {
    if (sparseCalls() === undefined) this.skip()
    const subject = await temporaryStorage()
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'begin')
      const TERABYTE = 1024 ** 4
      for (const [offset, text] of [
        [TERABYTE, 'middle'],
        [2 * TERABYTE + 12_345, 'end'],
      ] as const) {
        await tree.write(ino, [{ offset, data: Buffer.from(text) }], overwrite, {})
      }
      await tree.setAttributes(ino, { size: 3 * TERABYTE }, overwrite, {})
      await tree.copy(ino, at(tree, 'g'), COPY, {})
      const copy = await tree.lookup(tree.root, name('g'))
      expect(copy.size).to.equal(3 * TERABYTE)
      const content = await tree.open(copy.ino)
      for (const [offset, text] of [
        [0, 'begin\0'],
        [TERABYTE - 1, '\0middle\0'],
        [2 * TERABYTE + 12_344, '\0end\0'],
      ] as const) {
        expect(String(await content.read(offset, text.length))).to.equal(text)
      }
      await content.close()
      for (const path of await files(subject.directory)) {
        expect((await stat(path)).blocks * 512).to.be.below(100_000)
      }
    } finally {
      await subject.close()
    }
  })
})

/** st_blocks, in bytes: what du(1) counts. */
describe('what is allocated', () => {
  let subject: TemporaryStorage
  let tree: Tree
  beforeEach(async () => {
    subject = await temporaryStorage({ smallBytes: 1000 })
    tree = await subject.storage.tree('ann')
  })
  afterEach(async () => {
    expect(await subject.problems()).to.deep.equal([])
    await subject.close()
  })

  const write = (ino: number, offset: number, bytes: number) =>
    tree.write(ino, [{ offset, data: Buffer.alloc(bytes, 'x') }], overwrite, {})
  const resize = (ino: number, size: number) => tree.setAttributes(ino, { size }, overwrite, {})

  it('is told of a file with holes, after every change of it', async () => {
    const { ino } = await put(tree, at(tree, 'f'), '')
    expect(await resize(ino, 1_000_000)).to.include({ allocated: 0 })
    expect(await write(ino, 500_000, 10)).to.include({ allocated: 4096 })
    expect(await write(ino, 600_000, 200_000))
      .to.have.property('allocated')
      .within(2e5, 2.2e5)
    expect(await resize(ino, 550_000)).to.include({ allocated: 4096 })
    const copied = await tree.copy(ino, at(tree, 'g'), COPY, {})
    expect(copied.inode).to.include({ allocated: 4096 })
    expect(await tree.lookup(tree.root, name('g'))).to.include({ allocated: 4096 })
    expect(await resize(ino, 0)).to.not.have.property('allocated')
  })

  it('is not where there are no holes: it is the size then', async () => {
    const { ino } = await put(tree, at(tree, 'f'), 'x'.repeat(100_000))
    expect(await write(ino, 100_000, 100_000)).to.not.have.property('allocated')
    expect(await write(ino, 50_000, 100_000)).to.not.have.property('allocated')
    expect(await resize(ino, 70_000)).to.not.have.property('allocated')
    expect(await resize(ino, 700_000))
      .to.have.property('allocated')
      .below(80_000)
    const filled = await write(ino, 0, 700_000)
    expect(filled).to.not.have.property('allocated')
    const small = await put(tree, at(tree, 'small'), 'x')
    expect(await resize(small.ino, 900)).to.not.have.property('allocated')
  })
})

/** With the system calls, and as it is done where koffi is not installed. */
for (const [what, disk] of [
  ['with the system calls', nodeDisk],
  ['without them', { ...nodeDisk, seek: async () => UNKNOWN, punch: async () => false }],
] as const) {
  describe(`ranges of a file, ${what}`, () => {
    let subject: TemporaryStorage
    let tree: Tree
    beforeEach(async () => {
      subject = await temporaryStorage({ smallBytes: 1000, disk })
      tree = await subject.storage.tree('ann')
    })
    afterEach(async () => {
      expect(await subject.problems()).to.deep.equal([])
      await subject.close()
    })

    const write = (ino: number, offset: number, data: Buffer) =>
      tree.write(ino, [{ offset, data }], overwrite, {})
    async function bytes(ino: number): Promise<Buffer> {
      const content = await tree.open(ino)
      const data = await content.read(0, content.inode.size)
      await content.close()
      return data
    }

    it('seeks data and holes (lseek(2))', async () => {
      const { ino } = await put(tree, at(tree, 'f'), '')
      await tree.setAttributes(ino, { size: 1_000_000 }, overwrite, {})
      const all = async () => {
        const found: (number | undefined)[] = []
        for (const position of [0, 300_000, 400_000, 409_600, 600_000, 999_999, 1_000_000]) {
          found.push(await tree.seek(ino, position, 'data'), await tree.seek(ino, position, 'hole'))
        }
        return found
      }
      expect(await all()).to.deep.equal([
        ...[undefined, 0, undefined, 300_000, undefined, 400_000, undefined, 409_600],
        ...[undefined, 600_000, undefined, 999_999, undefined, undefined],
      ])
      await write(ino, 409_600, randomBytes(100_000))
      const end = 409_600 + 102_400
      const [data, hole] = [await tree.seek(ino, 0, 'data'), await tree.seek(ino, 450_000, 'hole')]
      expect([data, hole]).to.deep.equal([409_600, end])
      expect(await tree.seek(ino, 450_000, 'data')).to.equal(450_000)
      expect(await tree.seek(ino, end, 'data')).to.equal(undefined)
      expect(await tree.seek(ino, 999_999, 'hole')).to.equal(999_999)
      await write(ino, 0, randomBytes(1_000_000))
      expect(await tree.seek(ino, 5, 'hole')).to.equal(1_000_000)
      const small = await put(tree, at(tree, 'small'), 'x')
      expect(await tree.seek(small.ino, 0, 'hole')).to.equal(1)
      expect(await tree.seek(small.ino, 0, 'data')).to.equal(0)
    })

    it('makes zeros of a range, and frees its room (fallocate(2))', async () => {
      const data = randomBytes(2_000_000)
      const { ino, version } = await put(tree, at(tree, 'f'), data)
      const zeroed = await tree.zero(
        ino,
        { offset: 5, length: 999_995, extend: false },
        overwrite,
        {},
      )
      expect(zeroed).to.include({ size: 2_000_000, version: version + 1 })
      data.fill(0, 5, 1_000_000)
      expect((await bytes(ino)).equals(data)).to.equal(true)
      if (disk === nodeDisk) expect(zeroed.allocated).to.be.below(1_020_000)
      const last = { offset: 1_500_000, length: 1_000_000, extend: false }
      const cut = await tree.zero(ino, last, overwrite, {})
      expect(cut.allocated).to.be.below(1_520_000)
      expect(await bytes(ino)).to.deep.equal(data.fill(0, 1_500_000))
      const longer = await tree.zero(ino, { ...last, extend: true }, overwrite, {})
      expect(longer.size).to.equal(2_500_000)
      expect((await bytes(ino)).equals(Buffer.concat([data, Buffer.alloc(500_000)]))).to.equal(true)
      const beyond = { offset: 3_000_000, length: 10, extend: false }
      expect((await tree.zero(ino, beyond, overwrite, {})).size).to.equal(2_500_000)
      expect((await subject.storage.quota('ann')).bytes).to.equal(2_500_000)
    })

    it('does the same to a content that is in the database, or nowhere', async () => {
      const { ino } = await put(tree, at(tree, 'f'), 'abcdef')
      await tree.zero(ino, { offset: 1, length: 2, extend: false }, overwrite, {})
      expect(String(await bytes(ino))).to.equal('a\0\0def')
      await tree.zero(ino, { offset: 5, length: 3, extend: true }, overwrite, {})
      expect(String(await bytes(ino))).to.equal('a\0\0de\0\0\0')
      await tree.zero(ino, { offset: 1, length: 4999, extend: true }, overwrite, {})
      expect(
        (await bytes(ino)).equals(Buffer.concat([Buffer.from('a'), Buffer.alloc(4999)])),
      ).to.equal(true)
      const none = await put(tree, at(tree, 'g'), '')
      const made = await tree.zero(
        none.ino,
        { offset: 0, length: 70_000, extend: true },
        overwrite,
        {},
      )
      expect(made).to.include({ size: 70_000, allocated: 0 })
    })

    it('copies a range, in steps of 8 MiB (copy_file_range(2))', async () => {
      const data = randomBytes(9_000_000)
      const { ino } = await put(tree, at(tree, 'f'), data)
      const other = await put(tree, at(tree, 'g'), 'begin')
      const range = (from: number, to: number, length: number) =>
        ({ from: { ino, offset: from }, to: { ino: other.ino, offset: to }, length }) as const
      const copy = (from: number, to: number, length: number) =>
        tree.copyRange(range(from, to, length), overwrite, {})
      expect((await copy(100, 3, 9_000_000)).bytes).to.equal(8 * 2 ** 20)
      const rest = await copy(100 + 8 * 2 ** 20, 3 + 8 * 2 ** 20, 9_000_000)
      expect(rest.bytes).to.equal(9_000_000 - 100 - 8 * 2 ** 20)
      expect(rest.inode.size).to.equal(9_000_000 - 97)
      const expected = Buffer.concat([Buffer.from('beg'), data.subarray(100)])
      expect((await bytes(other.ino)).equals(expected)).to.equal(true)
      expect((await copy(9_000_000, 0, 5)).bytes).to.equal(0)
      const itself = { from: { ino, offset: 0 }, to: { ino, offset: 10 } }
      await tree.copyRange({ ...itself, length: 10 }, overwrite, {})
      data.copy(data, 10, 0, 10)
      expect((await bytes(ino)).equals(data)).to.equal(true)
      const overlap = tree.copyRange({ ...itself, length: 11 }, overwrite, {})
      expect(await overlap.catch((error) => error.code)).to.equal('EINVAL')
      await subject.storage.setQuota('ann', { maxBytes: 18_000_000, maxInodes: null })
      const over = copy(0, 9_000_000, 5_000_000)
      expect(await over.catch((error) => error.code)).to.equal('EDQUOT')
    })
  })
}

async function files(directory: string): Promise<string[]> {
  const all = await readdir(join(directory, 'content'), { recursive: true, withFileTypes: true })
  return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
