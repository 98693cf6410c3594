import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { type Ino, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

/** The real disk, but for fdatasync(2), which is told the path that was opened. */
function syncing(fdatasync: (fd: number, path: string | undefined) => Promise<void>): Disk {
  const paths = new Map<number, string>()
  return {
    ...nodeDisk,
    open: (path, flags) => {
      const fd = nodeDisk.open(path, flags)
      paths.set(fd, path)
      return fd
    },
    fdatasync: (fd) => fdatasync(fd, paths.get(fd)),
  }
}

describe('Storage.durable (group commit)', () => {
  it('syncs contents, then folders, then the log, and shares one sync among all who wait', async () => {
    const calls: string[] = []
    const disk: Disk = {
      ...syncing(async (fd, path) => {
        calls.push(path?.endsWith('-wal') ? 'log' : 'content')
        await nodeDisk.fdatasync(fd)
      }),
      syncFolder: async (path) => {
        calls.push('folder')
        await nodeDisk.syncFolder(path)
      },
    }
    const subject = await temporaryStorage({ disk })
    try {
      const { storage } = subject
      const tree = await storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'x')
      await storage.durable()
      expect([...new Set(calls)]).to.deep.equal(['content', 'folder', 'log'])
      calls.length = 0
      await Promise.all(Array.from({ length: 50 }, () => storage.durable()))
      expect(calls.length).to.be.within(1, 2)
      calls.length = 0
      await storage.durable(ino)
      expect(calls).to.deep.equal(['content', 'log'])
    } finally {
      await subject.close()
    }
  })
})

describe('a content that was written over', () => {
  let calls: string[]
  let subject: TemporaryStorage

  beforeEach(async () => {
    calls = []
    const disk = syncing(async (fd, path) => {
      const what = path?.endsWith('-wal') ? 'log' : 'content'
      calls.push(what)
      // whatever does not wait for this has its turn meanwhile
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      await nodeDisk.fdatasync(fd)
      calls.push(`${what} is there`)
    })
    subject = await temporaryStorage({ disk })
  })
  afterEach(() => subject.close())

  const IN_ORDER = ['content', 'content is there', 'log', 'log is there']

  /** What is synced for a write to a file that has ten bytes on the disk. */
  async function synced(offset: number, before?: (tree: Tree, ino: Ino) => Promise<unknown>) {
    const { storage } = subject
    const tree = await storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), '0123456789')
    await storage.durable(ino)
    await before?.(tree, ino)
    calls.length = 0
    await tree.write(ino, [{ offset, data: Buffer.from('xx') }], overwrite, {})
    await storage.durable(ino)
    return calls
  }

  it('is synced at the same time as the log', async () => {
    expect((await synced(8)).slice(0, 2)).to.have.members(['content', 'log'])
  })

  it('is synced before the log where it became longer', async () => {
    expect(await synced(9)).to.deep.equal(IN_ORDER)
  })

  it('is synced before the log where it had become longer before, in whatever way', async () => {
    const ways: ((tree: Tree, ino: Ino) => Promise<unknown>)[] = [
      (tree, ino) => tree.write(ino, [{ offset: 10, data: Buffer.from('x') }], overwrite, {}),
      (tree, ino) => tree.setAttributes(ino, { size: 20 }, overwrite, {}),
      (tree) => put(tree, at(tree, 'f'), 'another content'),
    ]
    for (const way of ways) expect(await synced(0, way)).to.deep.equal(IN_ORDER)
  })

  it('is synced before the log where it became longer while it was synced', async () => {
    const { storage } = subject
    const tree = await storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), '0123456789')
    const syncing = storage.durable(ino)
    await new Promise(setImmediate)
    expect(calls).to.deep.equal(['content'])
    await tree.write(ino, [{ offset: 10, data: Buffer.from('x') }], overwrite, {})
    await syncing
    calls.length = 0
    await storage.durable(ino)
    expect(calls).to.deep.equal(IN_ORDER)
  })
})

describe('a long content', () => {
  const MIB = 1 << 20
  let syncs: Promise<void>[]
  let broken: Error | undefined
  let subject: TemporaryStorage

  beforeEach(async () => {
    syncs = []
    broken = undefined
    const disk = syncing((fd, path) => {
      const why = broken
      const sync = why === undefined ? nodeDisk.fdatasync(fd) : Promise.reject(why)
      if (path?.includes('content') === true) syncs.push(sync)
      return sync
    })
    subject = await temporaryStorage({ disk })
  })
  afterEach(() => subject.close())

  async function written(mebibytes: number): Promise<Ino> {
    const tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'x')
    const data = Buffer.alloc(4 * MIB, 'y')
    for (let offset = 0; offset < mebibytes * MIB; offset += data.length)
      await tree.write(ino, [{ offset, data }], overwrite, {})
    return ino
  }

  /** One that failed to be synced while it came. */
  async function lost(): Promise<Ino> {
    broken = Object.assign(new Error('bytes are lost'), { code: 'EIO' })
    const ino = await written(32)
    await Promise.allSettled(syncs)
    // the kernel says it no more
    broken = undefined
    return ino
  }

  it('is synced while more of it comes', async () => {
    await written(68)
    expect(syncs).to.have.length.within(1, 2)
  })

  it('is not synced unasked where it is shorter', async () => {
    await written(28)
    expect(syncs).to.have.length(0)
  })

  it('tells whoever asks next what was lost of it, once', async () => {
    const ino = await lost()
    const { storage } = subject
    const outcomes = await Promise.allSettled([storage.durable(ino)])
    expect(outcomes).to.have.nested.property('[0].reason.code', 'EIO')
    await storage.durable(ino)
  })

  it('tells it also to whoever asks about everything', async () => {
    await lost()
    const [outcome] = await Promise.allSettled([subject.storage.durable()])
    expect(outcome).to.have.nested.property('reason.code', 'EIO')
    await subject.storage.durable()
  })

  it('tells all who ask about it at the same time, though others were told who asked about everything', async () => {
    const ino = await lost()
    const { storage } = subject
    const outcomes = [
      ...(await Promise.allSettled([storage.durable()])),
      ...(await Promise.allSettled([storage.durable(ino), storage.durable(ino)])),
    ]
    for (const outcome of outcomes) expect(outcome).to.have.nested.property('reason.code', 'EIO')
    await storage.durable(ino)
  })
})

describe('the write-ahead log', () => {
  it('is written back in a thread of its own', async () => {
    const subject = await temporaryStorage()
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'x')
      const file = join(subject.directory, 'coffer.db')
      const pages = () => Number(subject.database.pragma('page_count', { simple: true }))
      const attributes = { mode: 0o644, uid: 0, gid: 0 }
      for (let count = 0; count < 300; count += 1) {
        const name = at(tree, `${'n'.repeat(200)}${count}`)
        await tree.make(name, { type: 'fifo' }, attributes, {})
      }
      // Its own connection would do it only after 16,384 pages.
      const page = Number(subject.database.pragma('page_size', { simple: true }))
      while ((await stat(file)).size < (pages() - 20) * page) {
        await tree.setAttributes(ino, { mtime: 'now' }, overwrite, {})
      }
      expect(pages()).to.be.below(15_000)
    } finally {
      await subject.close()
    }
  }).timeout(30_000)
})
