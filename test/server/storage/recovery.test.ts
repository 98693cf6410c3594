import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { contentPath } from '../../../server/storage/content-path.js'
import { type Disk, nodeDisk } from '../../../server/storage/fs.js'
import { type FsckOptions, fsck } from '../../../server/storage/fsck.js'
import { deferred } from '../../../server/storage/gate.js'
import { fileName as name } from '../../../server/storage/path.js'
import { append, overwrite, type Storage, type Tree } from '../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { code, put, read, refused } from './contract.js'
import { type TemporaryStorage, temporaryStorage } from './temporary.js'

const HOUR = 60 * 60 * 1000
const KEEP = { kind: 'either', keep: true, precondition: overwrite } as const
const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

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
    void tree.copy(folder.ino, at(tree, 'copy'), { deep: true, precondition: overwrite }, {})
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

describe('a reader beside a writer', () => {
  it('never sees half of a write', async () => {
    const subject = await temporaryStorage()
    try {
      const tree = await subject.storage.tree('ann')
      const size = 600_000
      const { ino } = await put(tree, at(tree, 'f'), 'a'.repeat(size))
      let writing = true
      const writer = (async () => {
        for (let round = 0; round < 30; round += 1) {
          const data = Buffer.alloc(size, 'bcd'[round % 3])
          await tree.write(ino, [{ offset: 0, data }], overwrite, {})
        }
        writing = false
      })()
      let reads = 0
      while (writing) {
        const content = await tree.open(ino)
        const bytes = await content.read(0, size)
        await content.close()
        expect(bytes.equals(Buffer.alloc(size, bytes[0]))).to.equal(true)
        reads += 1
        await new Promise((resolve) => setImmediate(resolve))
      }
      await writer
      expect(reads).to.be.above(1)
    } finally {
      await subject.close()
    }
  })
})

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
      await tree.copy(ino, at(tree, 'g'), { deep: false, precondition: overwrite }, {})
      const all = await files(subject.directory)
      for (const path of all) expect((await stat(path)).blocks * 512).to.be.below(100_000)
      expect(all).to.have.length(2)
    } finally {
      await subject.close()
    }
  })
})

describe('a writer beside a reader', () => {
  for (const size of [100_000, 700_000]) {
    it(`waits for a read of ${size} bytes that is under way`, async () => {
      const started = deferred()
      const going = deferred()
      let isSlow = false
      const disk: Disk = {
        ...nodeDisk,
        read: async (fd, into, position) => {
          const half = into.length >> 1
          if (!isSlow) return nodeDisk.read(fd, into, position)
          isSlow = false
          await nodeDisk.read(fd, into.subarray(0, half), position)
          started.resolve()
          await going.promise
          return half + (await nodeDisk.read(fd, into.subarray(half), position + half))
        },
      }
      const subject = await temporaryStorage({ disk })
      try {
        const tree = await subject.storage.tree('ann')
        const { ino } = await put(tree, at(tree, 'f'), 'a'.repeat(size))
        const content = await tree.open(ino)
        isSlow = true
        const reading = content.read(0, size)
        await started.promise
        const parts = [{ offset: 0, data: Buffer.alloc(size, 'b') }]
        const writing = tree.write(ino, parts, overwrite, {})
        for (let turns = 0; turns < 50; turns += 1) {
          await new Promise((resolve) => setImmediate(resolve))
        }
        going.resolve()
        expect((await reading).equals(Buffer.alloc(size, 'a'))).to.equal(true)
        await writing
        expect((await content.read(0, size)).equals(Buffer.alloc(size, 'b'))).to.equal(true)
        await content.close()
      } finally {
        await subject.close()
      }
    })
  }
})

describe('Storage.durable (group commit)', () => {
  it('syncs contents, then folders, then the log, and shares one sync among all who wait', async () => {
    const calls: string[] = []
    const paths = new Map<number, string>()
    const disk: Disk = {
      ...nodeDisk,
      open: (path, flags) => {
        const fd = nodeDisk.open(path, flags)
        paths.set(fd, path)
        return fd
      },
      fdatasync: async (fd) => {
        calls.push(paths.get(fd)?.endsWith('-wal') ? 'log' : 'content')
        await nodeDisk.fdatasync(fd)
      },
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

describe('fsck', () => {
  let subject: TemporaryStorage
  let tree: Tree

  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await (subject.storage as Storage).tree('ann')
  })
  afterEach(() => subject.close())

  const run = async (mode: FsckOptions['mode']) => {
    const found: string[] = []
    const { directory, database } = subject
    const report = ({ problem, repaired }: { problem: string; repaired: boolean }) =>
      found.push(repaired ? `${problem}: repaired` : problem)
    const { found: count } = await fsck({ directory, database, mode, report })
    expect(count).to.equal(found.length)
    return found
  }
  const sql = (text: string) => subject.database.exec(text)

  const damages: [problem: string, damage: (ino: number, generation: number) => unknown][] = [
    ['entry without inode', () => sql(`INSERT INTO entries VALUES (${tree.root}, 'x', 999999)`)],
    ['entry without directory', (ino) => sql(`INSERT INTO entries VALUES (${ino}, 'x', ${ino})`)],
    ['name of a root', () => sql(`INSERT INTO entries VALUES (${tree.root}, 'x', ${tree.root})`)],
    ['lost inode', (ino) => sql(`DELETE FROM entries WHERE ino = ${ino}`)],
    ['kept in vain', (ino) => sql(`INSERT INTO kept VALUES (${ino}, 0, 0)`)],
    ['attribute without inode', () => sql(`INSERT INTO xattrs VALUES (999999, 'user.a', x'00')`)],
    ['wrong link count', (ino) => sql(`UPDATE inodes SET nlink = 7 WHERE ino = ${ino}`)],
    ['wrong link count', () => sql(`UPDATE inodes SET nlink = 7 WHERE ino = ${tree.root}`)],
    ['wrong usage', () => sql('UPDATE trees SET bytes = bytes + 1')],
    ['wrong usage', () => sql('UPDATE trees SET inodes = 0')],
    ['counter behind', () => sql(`UPDATE counters SET value = 1 WHERE name = 'ino'`)],
    ['content missing', (_ino, generation) => nodeDisk.unlink(path(generation))],
    ['content too short', (ino) => sql(`UPDATE inodes SET size = 100 WHERE ino = ${ino}`)],
    ['content without inode', () => nodeDisk.close(nodeDisk.open(path(77), 0o101))],
  ]
  it("finds and repairs small contents that are missing, too short, or nobody's", async () => {
    await subject.close()
    subject = await temporaryStorage({ smallBytes: 4096 })
    tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'content')
    await put(tree, at(tree, 'g'), 'content')
    expect(await run('check')).to.deep.equal([])
    for (const damage of [
      `DELETE FROM small_contents WHERE ino = ${ino}`,
      `UPDATE small_contents SET data = x'00'`,
      `INSERT INTO small_contents VALUES (999999, x'00')`,
    ]) {
      sql(damage)
      expect((await run('check')).join()).to.match(/small content/)
      expect((await run('repair')).join()).to.match(/small content .*: repaired/)
      expect(await run('repair')).to.deep.equal([])
    }
  })

  const path = (generation: number) => contentPath(join(subject.directory, 'content'), generation)

  for (const [problem, damage] of damages) {
    it(`finds and repairs: ${problem}`, async () => {
      const { ino, generation } = await put(tree, at(tree, 'f'), 'content')
      await subject.storage.swept()
      expect(await run('check')).to.deep.equal([])
      await damage(ino, generation)
      expect(await run('check')).to.include(problem)
      expect(await run('repair')).to.include(`${problem}: repaired`)
      expect(await run('repair')).to.deep.equal([])
    })
  }

  it('puts directories that cannot be reached into lost+found, a circle of them too', async () => {
    const attributes = { mode: 0o755, uid: 0, gid: 0 }
    const a = await tree.make(at(tree, 'a'), { type: 'directory' }, attributes, {})
    const inside = { directory: a.ino, name: name('b') }
    const b = await tree.make(inside, { type: 'directory' }, attributes, {})
    await put(tree, { directory: b.ino, name: name('f') }, 'found')
    sql(`UPDATE entries SET directory = ${b.ino} WHERE ino = ${a.ino}`)
    expect(await run('check')).to.include('lost directory')
    await run('repair')
    expect(await run('check')).to.deep.equal([])
    const lost = await tree.lookup(tree.root, name('lost+found'))
    const [entry] = await tree.list(lost.ino, { limit: 10 })
    expect(entry?.inode.type).to.equal('directory')
  })

  it('leaves out what a running server has on its way', async () => {
    const upload = await tree.upload()
    await upload.write(bytes(2_000_000))
    expect(await run('serving')).to.deep.equal([])
    expect(await run('check')).to.deep.equal(['content without inode'])
    await upload.abort()
  })

  it('changes nothing when it only checks', async () => {
    const { ino } = await put(tree, at(tree, 'f'), 'content')
    sql(`UPDATE inodes SET nlink = 7 WHERE ino = ${ino}`)
    await run('check')
    expect((await tree.stat(ino)).nlink).to.equal(7)
    await refused('ENOENT', tree.lookup(tree.root, name('lost+found')))
  })
})

async function* bytes(size: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(size)
}

async function files(directory: string): Promise<string[]> {
  const all = await readdir(join(directory, 'content'), { recursive: true, withFileTypes: true })
  return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
