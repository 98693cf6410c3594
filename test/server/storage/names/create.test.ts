import { expect } from 'chai'
import { FileError } from '../../../../server/errors.js'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { type FileName, fileName } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put, read, refused } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

describe('a file whose content is at hand', () => {
  let subject: TemporaryStorage
  let tree: Tree
  const terms = { precondition: overwrite, origin: {} }
  const at = (text: string, directory = tree.root) => ({ directory, name: fileName(text) })
  const names = async (): Promise<FileName[]> =>
    (await tree.list(tree.root, { limit: 100 })).map(({ name }) => name)
  const used = () => subject.storage.quota('ann')

  beforeEach(async () => {
    subject = await temporaryStorage({ smallBytes: 1000 })
    tree = await subject.storage.tree('ann')
  })
  afterEach(() => subject.close())

  it('is made with its attributes in one step, and counted', async () => {
    const ino = await tree.reserve(1)
    const attributes = { mode: 0o600, uid: 7, gid: 8, atime: 1n, mtime: 2n, ino }
    const before = await tree.changes.newest()
    const { version } = await tree.stat(tree.root)
    const inode = await tree.create(at('f'), Buffer.from('hello'), attributes, terms)
    expect(inode).to.include({ ...attributes, size: 5, type: 'file', nlink: 1 })
    expect(await tree.lookup(tree.root, fileName('f'))).to.deep.equal(inode)
    expect(await read(tree, ino)).to.equal('hello')
    expect(await used()).to.include({ bytes: 5, inodes: 2 })
    const { ctime } = inode ?? expect.fail('it was not made')
    expect(await tree.stat(tree.root)).to.include({ version: version + 1, mtime: ctime, ctime })
    const page = await tree.changes.after(before, 10)
    expect(page).to.have.nested.property('changes[0]').that.includes({ kind: 'make', ino })
    const empty = await tree.create(at('empty'), Buffer.alloc(0), {}, terms)
    expect(empty).to.include({ size: 0, mode: 0o644, uid: 0, gid: 0 })
    expect(await names()).to.deep.equal(['empty', 'f'])
  })

  it('is left to an upload where something stands already, and where it is long', async () => {
    const { ino } = await put(tree, at('f'), 'old')
    const refusing = { ...terms, precondition: () => expect.fail('there is nothing to ask') }
    expect(await tree.create(at('f'), Buffer.from('new'), {}, refusing)).to.equal(undefined)
    expect(await tree.create(at('g'), Buffer.alloc(1001), {}, refusing)).to.equal(undefined)
    expect(await read(tree, ino)).to.equal('old')
    expect(await names()).to.deep.equal(['f'])
    expect((await used()).bytes).to.equal(3)
    expect(await tree.create(at('g'), Buffer.alloc(1000), {}, terms)).to.include({ size: 1000 })
  })

  it('is not made where it is refused', async () => {
    const content = Buffer.from('four')
    const precondition = () => {
      throw new FileError('ESTALE', 'no')
    }
    await refused('ESTALE', tree.create(at('f'), content, {}, { ...terms, precondition }))
    await refused('ENOENT', tree.create(at('f', 999_999), content, {}, terms))
    const { ino } = await put(tree, at('file'), '')
    await refused('ENOTDIR', tree.create(at('f', ino), content, {}, terms))
    await refused('EINVAL', tree.create(at('f'), content, { mode: -1 }, terms))
    await refused('EINVAL', tree.create(at('f'), content, { ino: 999_999 }, terms))
    await subject.storage.setQuota('ann', { maxBytes: 3, maxInodes: null })
    await refused('EDQUOT', tree.create(at('f'), content, {}, terms))
    expect(await names()).to.deep.equal(['file'])
    expect((await used()).bytes).to.equal(0)
    expect(await tree.create(at('f'), Buffer.from('new'), {}, terms)).to.include({ size: 3 })
  })

  it('leaves the reserve of the disk free', async () => {
    const RESERVE = 64 * 1024 * 1024
    const space = { total: 2 ** 40, free: RESERVE + 1000 }
    const disk: Disk = { ...nodeDisk, space: () => space }
    const full = await temporaryStorage({ smallBytes: 1000, disk })
    const files = await full.storage.tree('ann')
    const make = (name: string, bytes: number) =>
      files.create(at(name, files.root), Buffer.alloc(bytes), {}, terms)
    // what one statfs(2) said is believed for a while: what was made meanwhile counts
    expect(await make('f', 600)).to.include({ size: 600 })
    await refused('ENOSPC', make('g', 600))
    expect(await files.list(files.root, { limit: 100 })).to.have.length(1)
    await full.close()
  })

  it('has the group of a set-group-ID directory, unless one is given', async () => {
    await tree.setAttributes(tree.root, { mode: 0o2775, gid: 77 }, overwrite, {})
    expect(await tree.create(at('f'), Buffer.from('x'), {}, terms)).to.include({ gid: 77 })
    expect(await tree.create(at('g'), Buffer.from('x'), { gid: 5 }, terms)).to.include({ gid: 5 })
  })

  it('waits for the lease of the names of its directory', async () => {
    let giveBack = (): void => {}
    let lease: Promise<void> | undefined = new Promise((resolve) => {
      giveBack = resolve
    })
    subject.storage.guardNames({ leased: () => lease })
    const creating = tree.create(at('f'), Buffer.from('x'), {}, terms)
    expect(await names()).to.deep.equal([])
    lease = undefined
    giveBack()
    expect(await creating).to.include({ size: 1 })
  })

  it('asks nobody for that lease where something stands already', async () => {
    await put(tree, at('f'), 'old')
    subject.storage.guardNames({ leased: () => expect.fail('nothing is to come there') })
    expect(await tree.create(at('f'), Buffer.from('new'), {}, terms)).to.equal(undefined)
  })
})
