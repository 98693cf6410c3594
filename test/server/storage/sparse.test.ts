import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileName as name } from '../../../server/storage/path.js'
import { append, overwrite, type Tree } from '../../../server/storage/storage.js'
import { put } from './contract.js'
import { type TemporaryStorage, temporaryStorage } from './temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

const COPY = { deep: false, source: overwrite, precondition: overwrite }

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

async function files(directory: string): Promise<string[]> {
  const all = await readdir(join(directory, 'content'), { recursive: true, withFileTypes: true })
  return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
