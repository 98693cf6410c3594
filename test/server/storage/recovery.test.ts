import { readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { type Disk, nodeDisk } from '../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { code, put, read } from './contract.js'
import { type TemporaryStorage, temporaryStorage } from './temporary.js'

const HOUR = 60 * 60 * 1000
const KEEP = { kind: 'either', keep: true, precondition: overwrite } as const
const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

async function* pieces(length: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(length, 'x')
}

describe('Storage after a restart', () => {
  let directory: string
  let open: TemporaryStorage[]

  beforeEach(async () => {
    directory = await temporaryDirectory('recovery')
    open = []
  })
  afterEach(async () => {
    for (const subject of open) await subject.close()
    await removeDirectory(directory)
  })

  const start = async (disk: Disk = nodeDisk): Promise<TemporaryStorage> => {
    const subject = await temporaryStorage({ directory, disk })
    open.push(subject)
    return subject
  }
  const stop = async () => {
    for (const subject of open) await subject.close()
    open = []
  }

  it('sweeps contents that nothing names, and leaves the others', async () => {
    const { storage } = await start({ ...nodeDisk, unlink: async () => {} })
    const tree = await storage.tree('ann')
    await put(tree, at(tree, 'a'), 'old')
    const { ino } = await put(tree, at(tree, 'a'), 'new')
    await put(tree, at(tree, 'b'), 'removed')
    await tree.remove(at(tree, 'b'), { ...KEEP, keep: false }, {})
    expect(await files(directory)).to.have.length(3)
    await stop()
    const again = await start()
    await again.storage.swept()
    await stop()
    expect(await files(directory)).to.have.length(1)
    const third = await start()
    expect(await read(await third.storage.tree('ann'), ino)).to.equal('new')
  })

  it('says of a content of which a part was lost that it is missing, and reads the rest', async () => {
    const { storage } = await start()
    const tree = await storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'a'), 'x'.repeat(100_000))
    await stop()
    const [file] = await files(directory)
    await truncate(String(file), 70_000)
    const content = await (await (await start()).storage.tree('ann')).open(ino)
    try {
      expect((await content.read(0, 70_000)).length).to.equal(70_000)
      for (const [position, length] of [
        [0, 100_000],
        [69_990, 20],
        [70_000, 30_000],
      ] as const)
        expect(await content.read(position, length).catch(code)).to.equal('EIO')
    } finally {
      await content.close()
    }
  })

  it('keeps what has come of a resumable upload until it expires, then sweeps it', async () => {
    const { storage, clock } = await start()
    const expires = new Date(clock.date.getTime() + 2 * HOUR)
    const tree = await storage.tree('ann')
    await tree.beginUpload({ id: 'a', length: 100_000, details: '', expires })
    await (await tree.resumeUpload('a'))?.write(pieces(60_000))
    await stop()
    const again = await start()
    await again.storage.swept()
    const ann = await again.storage.tree('ann')
    expect((await ann.resumeUpload('a'))?.size).to.equal(60_000)
    expect(await (await again.storage.tree('bob')).resumeUpload('a')).to.equal(undefined)
    again.clock.date = new Date(expires.getTime() + 1000)
    expect(await ann.resumeUpload('a')).to.equal(undefined)
    await again.storage.sweep()
    await stop()
    expect(await files(directory)).to.have.length(0)
  })

  it('forgets what was reserved and not used for a month, however much it is', async () => {
    const { storage, clock, database } = await start()
    const tree = await storage.tree('ann')
    for (let count = 0; count < 250; count += 1) await tree.reserve(2)
    clock.date = new Date(clock.date.getTime() + 31 * 24 * HOUR)
    const first = await tree.reserve(2)
    await storage.sweep()
    expect(database.prepare('SELECT first FROM reservations').pluck().all()).to.deep.equal([first])
  })

  it('never gives a number out twice', async () => {
    const seen = new Set<number>()
    for (let run = 0; run < 3; run += 1) {
      const { storage } = await start()
      const tree = await storage.tree('ann')
      for (let count = 0; count < 3; count += 1) {
        const { ino, generation } = await put(tree, at(tree, 'a'), `${run}${count}`)
        expect(seen.has(generation)).to.equal(false)
        seen.add(generation)
        const made = await tree.make(
          at(tree, 'b'),
          { type: 'fifo' },
          { mode: 0, uid: 0, gid: 0 },
          {},
        )
        expect(seen.has(-made.ino)).to.equal(false)
        seen.add(-made.ino)
        await tree.remove(at(tree, 'b'), { ...KEEP, keep: false }, {})
        expect(ino).to.be.above(0)
      }
      await stop()
    }
  })

  it('reads, cuts and writes contents wherever an earlier run has put them', async () => {
    const open = (smallBytes: number) => temporaryStorage({ directory, smallBytes })
    let subject = await open(16_384)
    let tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'x'.repeat(9000))
    await subject.close()
    subject = await open(0)
    tree = await subject.storage.tree('ann')
    await tree.setAttributes(ino, { size: 5000 }, overwrite, {})
    expect(await read(tree, ino)).to.equal('x'.repeat(5000))
    await tree.write(ino, [{ offset: 0, data: Buffer.from('y') }], overwrite, {})
    await subject.close()
    subject = await open(16_384)
    tree = await subject.storage.tree('ann')
    await tree.write(ino, [{ offset: 5000, data: Buffer.from('z') }], overwrite, {})
    expect(await read(tree, ino)).to.equal(`y${'x'.repeat(4999)}z`)
    expect(await subject.problems()).to.deep.equal([])
    await subject.close()
  })

  it('goes on with the log of changes', async () => {
    const first = await start()
    const tree = await first.storage.tree('ann')
    await put(tree, at(tree, 'a'), 'x')
    const seen = await tree.changes.newest()
    await put(tree, at(tree, 'b'), 'x')
    await stop()
    const second = await start()
    const page = await (await second.storage.tree('ann')).changes.after(seen, 10)
    expect(page.kind === 'changes' && page.changes.map(({ kind }) => kind)).to.deep.equal(['make'])
  })

  it('takes away a copy that was not finished', async () => {
    let copies = 0
    const hanging: Disk = {
      ...nodeDisk,
      copy: (from, to, flags) => {
        copies += 1
        return copies > 3 ? new Promise(() => {}) : nodeDisk.copy(from, to, flags)
      },
      write: (fd, data, position) => {
        return copies > 2 ? new Promise(() => {}) : nodeDisk.write(fd, data, position)
      },
    }
    const { storage, database } = await start(hanging)
    const tree = await storage.tree('ann')
    const attributes = { mode: 0o755, uid: 0, gid: 0 }
    const folder = await tree.make(at(tree, 'folder'), { type: 'directory' }, attributes, {})
    for (let index = 0; index < 3; index += 1) {
      const sub = { directory: folder.ino, name: name(`d${index}`) }
      const { ino } = await tree.make(sub, { type: 'directory' }, attributes, {})
      await put(tree, { directory: ino, name: name('f') }, 'content')
    }
    const usage = await storage.quota('ann')
    void tree.copy(
      folder.ino,
      at(tree, 'copy'),
      { deep: true, source: overwrite, precondition: overwrite },
      {},
    )
    while ((await storage.quota('ann')).inodes < usage.inodes + 3) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    // As a crash would: closed under its hands.
    database.close()
    open = []
    const again = await start()
    expect(await again.problems()).to.deep.equal([])
    expect(await again.storage.quota('ann')).to.deep.equal(usage)
  })

  for (const [what, calls] of [
    ['', {}],
    [', also where holes cannot be made', { punch: async () => false }],
  ] as const) {
    it(`makes the zeros that were promised before the end${what}`, async () => {
      // the promise is kept no further than the transaction: the disk does nothing any more
      const hanging: Disk = {
        ...nodeDisk,
        punch: () => new Promise(() => {}),
      }
      const { storage, database } = await start(hanging)
      const tree = await storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'x'.repeat(1_000_000))
      void tree.zero(ino, { offset: 10, length: 499_990, extend: false }, overwrite, {})
      while (database.prepare('SELECT id FROM undo').get() === undefined) await turn()
      database.close()
      open = []

      const again = await start({ ...nodeDisk, ...calls })
      const text = await read(await again.storage.tree('ann'), ino)
      expect(text.length).to.equal(1_000_000)
      expect(text.slice(0, 500_000)).to.equal('x'.repeat(10) + '\0'.repeat(499_990))
      expect(text.slice(500_000)).to.equal('x'.repeat(500_000))
      expect(await again.problems()).to.deep.equal([])
    })
  }

  it('gives up an inode kept without a name after a day without use', async () => {
    const { storage, clock } = await start()
    const tree = await storage.tree('ann')
    const used = await put(tree, at(tree, 'used'), 'x')
    const unused = await put(tree, at(tree, 'unused'), 'y')
    await tree.remove(at(tree, 'used'), KEEP, {})
    await tree.remove(at(tree, 'unused'), KEEP, {})
    clock.date = new Date(clock.date.getTime() + 20 * HOUR)
    await tree.stat(used.ino)
    clock.date = new Date(clock.date.getTime() + 5 * HOUR)
    await storage.sweep()
    expect(await read(tree, used.ino)).to.equal('x')
    expect(await tree.stat(unused.ino).catch(code)).to.be.oneOf(['ESTALE', 'ENOENT'])
    expect((await storage.quota('ann')).inodes).to.equal(2)
  })

  it('gives up nothing that is named while it sweeps', async () => {
    const { storage, clock, problems } = await start()
    await storage.swept()
    const tree = await storage.tree('ann')
    const made = []
    for (let index = 0; index < 6; index += 1) {
      made.push((await tree.makeNameless(tree.root, { mode: 0o600, uid: 0, gid: 0 }, {})).ino)
    }
    clock.date = new Date(clock.date.getTime() + 25 * HOUR)
    const sweeping = storage.sweep()
    // They are swept in this order, one in a turn.
    const named: number[] = []
    for (const [index, ino] of made.reverse().entries()) {
      await turn()
      const linked = await tree.link(ino, at(tree, `${index}`), {}).catch(code)
      if (typeof linked !== 'string') named.push(ino)
    }
    await sweeping
    expect(named).to.not.deep.equal([])
    for (const ino of named) expect((await tree.stat(ino)).nlink).to.equal(1)
    expect(await tree.list(tree.root, { limit: 9 })).to.have.length(named.length)
    expect((await storage.quota('ann')).inodes).to.equal(1 + named.length)
    expect(await problems()).to.deep.equal([])
  })

  it('forgets changes after a month, and says so', async () => {
    const { storage, clock } = await start()
    const tree = await storage.tree('ann')
    for (let index = 0; index < 300; index += 1) await put(tree, at(tree, 'a'), `${index}`)
    clock.date = new Date(clock.date.getTime() + 31 * 24 * HOUR)
    const seen = await tree.changes.newest()
    await put(tree, at(tree, 'b'), 'x')
    await storage.sweep()
    expect((await tree.changes.after(seen - 1, 10)).kind).to.equal('expired')
    const page = await tree.changes.after(seen, 10)
    expect(page.kind === 'changes' && page.changes.length).to.equal(1)
  })
})

async function files(directory: string): Promise<string[]> {
  const all = await readdir(join(directory, 'content'), { recursive: true, withFileTypes: true })
  return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
