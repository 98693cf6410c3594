import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type BackupOptions, backup } from '../../../../server/storage/backup/backup.js'
import { copyHashed } from '../../../../server/storage/backup/hashed.js'
import { heldSnapshot } from '../../../../server/storage/backup/held-snapshot.js'
import { restore } from '../../../../server/storage/backup/restore.js'
import { backupContentPath } from '../../../../server/storage/backup/set.js'
import { contentPath } from '../../../../server/storage/disk/content-path.js'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read } from '../contract.js'
import { dump, Model, type Operation, perform } from '../model.js'
import { nextOperation, random } from '../next-operation.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

describe('backup and restore', () => {
  let subject: TemporaryStorage
  let tree: Tree
  let elsewhere: string

  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await subject.storage.tree('ann')
    elsewhere = await temporaryDirectory('backup')
  })
  afterEach(async () => {
    await subject.close()
    await removeDirectory(elsewhere)
  })

  const to = () => join(elsewhere, 'backup')
  const at = (text: string) => ({ directory: tree.root, name: name(text) })
  const make = (also: string[] = [], verify?: BackupOptions['verify']) => {
    const { directory, database } = subject
    const clock = () => subject.clock.date
    return backup({ directory, database, to: to(), also, clock, ...(verify && { verify }) })
  }
  const now = () => new Date()
  const restored = async <T>(
    work: (subject: TemporaryStorage, tree: Tree) => Promise<T>,
    clock = now,
  ) => {
    const directory = await temporaryDirectory('restored')
    await restore(to(), directory, clock)
    const again = await temporaryStorage({ directory })
    try {
      expect(await again.problems()).to.deep.equal([])
      return await work(again, await again.storage.tree('ann'))
    } finally {
      await again.close()
      await removeDirectory(directory)
    }
  }
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => 'it succeeded',
      (error: Error) => error.message,
    )

  it('brings everything back as it was', async () => {
    const model = new Model()
    const pick = random(11)
    for (let count = 0; count < 200; count += 1) {
      const operation = nextOperation(pick, model.paths())
      expect(await perform(tree, tree.root, operation)).to.equal(model.apply(operation))
    }
    await writeFile(join(subject.directory, 'secret'), 'the secret', { mode: 0o600 })
    await make(['secret', 'missing'])
    await restored(async ({ directory }, tree) => {
      expect(await dump(tree, tree.root)).to.equal(model.dump())
      expect(existsSync(join(directory, 'secret'))).to.equal(true)
    })
  })

  it('finds what a disk has changed where it is asked to verify, and mends the backup', async () => {
    const content = 'c'.repeat(100_000)
    const rot = async (path: string) => {
      const file = await open(path, 'r+')
      await file.write('x', 500)
      await file.close()
    }
    const rotHere = async (ino: number) =>
      rot(contentPath(join(subject.directory, 'content'), (await tree.stat(ino)).generation))
    const rotThere = async (ino: number) => {
      const { generation, version } = await tree.stat(ino)
      await rot(backupContentPath(to(), generation, version))
    }
    const kept = await put(tree, at('kept'), content)
    const here = await put(tree, at('here'), content)
    const both = await put(tree, at('both'), content)
    await put(tree, at('good'), content)
    await make()
    await rotThere(kept.ino)
    await rotHere(here.ino)
    await rotHere(both.ino)
    await rotThere(both.ino)
    expect(await make()).to.include({ copied: 0 })
    const found: object[] = []
    expect(await make([], (one) => found.push(one))).to.include({ contents: 4, copied: 2 })
    expect(found).to.have.deep.members([
      { ino: kept.ino, where: 'backup' },
      { ino: here.ino, where: 'server' },
      { ino: both.ino, where: 'both' },
    ])
    const { generation } = await tree.stat(kept.ino)
    await rm(contentPath(join(subject.directory, 'content'), generation))
    found.length = 0
    await make([], (one) => found.push(one))
    expect(found).to.have.deep.members([
      { ino: here.ino, where: 'server' },
      { ino: kept.ino, where: 'server' },
    ])
    await restored(async (_again, tree) => {
      expect(await read(tree, kept.ino)).to.equal(content)
      expect(await read(tree, here.ino)).to.equal(content)
    })
  })

  it('holds also a content that begins just before the snapshot', async () => {
    await put(tree, at('file'), 'x'.repeat(100_000))
    const generations = `UPDATE counters SET value = value + 1 WHERE name = 'generation'`
    let snapshots = 0
    // another process takes a number between the hold and the first snapshot
    const busy = new Proxy(subject.database, {
      get(database, property) {
        const value: unknown = Reflect.get(database, property)
        if (property !== 'prepare')
          return typeof value === 'function' ? value.bind(database) : value
        return (text: string) => {
          const statement = database.prepare(text)
          if (!text.startsWith('VACUUM INTO')) return statement
          return {
            run: (path: string) => {
              snapshots += 1
              if (snapshots === 1) database.exec(generations)
              return statement.run(path)
            },
          }
        }
      },
    })
    const path = join(elsewhere, 'snapshot.db')
    const { id } = heldSnapshot(busy, path, Number.MAX_SAFE_INTEGER)
    expect(snapshots).to.equal(2)
    const holds = subject.database.prepare('SELECT id, generation FROM holds').all()
    const counter = subject.database
      .prepare(`SELECT value FROM counters WHERE name = 'generation'`)
      .pluck()
    expect(holds).to.deep.equal([{ id, generation: counter.get() }])
  })

  it('copies only what is new the next time, and drops what is no longer needed', async () => {
    const { ino } = await put(tree, at('written'), 'one')
    await put(tree, at('replaced'), 'two')
    for (let index = 0; index < 20; index += 1) await put(tree, at(`same${index}`), 'same')
    expect(await make()).to.include({ contents: 22, copied: 22 })
    expect(await make()).to.include({ contents: 22, copied: 0 })
    await tree.write(ino, [{ offset: 0, data: Buffer.from('ONE') }], overwrite, {})
    await put(tree, at('replaced'), 'TWO')
    await tree.remove(at('same0'), { kind: 'unlink', keep: false, precondition: overwrite }, {})
    expect(await make()).to.include({ contents: 21, copied: 2 })
    const files = await readdir(join(to(), 'content'), { recursive: true, withFileTypes: true })
    expect(files.filter((entry) => entry.isFile())).to.have.length(21)
    await restored(async (_again, tree) => {
      expect(await read(tree, ino)).to.equal('ONE')
      expect(await read(tree, (await tree.lookup(tree.root, name('replaced'))).ino)).to.equal('TWO')
    })
  })

  it('waits for the disk no more often for its list the more contents there are', async () => {
    await make()
    const transactions = await transactionsOf(join(to(), 'coffer.db'))
    for (let index = 0; index < 20; index += 1) await put(tree, at(`file${index}`), 'content')
    await make()
    expect(await transactionsOf(join(to(), 'coffer.db'))).to.equal(transactions)
  })

  it('is of one moment, although everything changes while it is made', async () => {
    const model = new Model()
    const files = Array.from({ length: 40 }, (_, index) => `file${index}`)
    const sizes = [10, 5000, 400_000]
    for (const [index, path] of files.entries()) {
      const size = sizes[index % 3] ?? 10
      const operation: Operation = { kind: 'put', path, seed: index, size }
      expect(await perform(tree, tree.root, operation)).to.equal(model.apply(operation))
    }
    const before = model.dump()
    let isMaking = true
    const making = make().finally(() => {
      isMaking = false
    })
    const held = subject.database.prepare('SELECT 1 FROM holds')
    while (held.get() === undefined) await new Promise((resolve) => setImmediate(resolve))
    const pick = random(5)
    let changes = 0
    for (; isMaking; changes += 1) {
      const path = files[pick(files.length)] ?? ''
      const operations: Operation[] = [
        { kind: 'write', path, seed: changes, size: 3000, offset: pick(3) },
        { kind: 'write', path, seed: changes, size: 350_000, offset: pick(3) },
        { kind: 'append', path, seed: changes, size: 10 },
        { kind: 'truncate', path, size: pick(6000) },
        { kind: 'put', path, seed: changes, size: 20 },
        { kind: 'unlink', path },
      ]
      const operation = operations[pick(operations.length)]
      if (operation !== undefined) await perform(tree, tree.root, operation)
    }
    await making
    // how many there is time for is the machine's
    expect(changes).to.be.above(2)
    await restored(async (_again, tree) => {
      expect(await dump(tree, tree.root)).to.equal(before)
    })
    await subject.storage.sweep()
    expect(await subject.problems()).to.deep.equal([])
  })

  it('puts a write that was under way at that moment back', async () => {
    let paused: (() => void) | undefined
    let isPausing = false
    const disk: Disk = {
      ...nodeDisk,
      write: async (fd, data, position) => {
        await nodeDisk.write(fd, data, position)
        if (!isPausing) return
        isPausing = false
        await new Promise<void>((resolve) => {
          paused = resolve
        })
      },
    }
    const slow = await temporaryStorage({ disk })
    const { storage, directory, database } = slow
    try {
      const tree = await storage.tree('ann')
      const size = 200_000
      const place = { directory: tree.root, name: name('f') }
      const { ino } = await put(tree, place, 'a'.repeat(size))
      isPausing = true
      const parts = [{ offset: 0, data: Buffer.alloc(size, 'b') }]
      const writing = tree.write(ino, parts, overwrite, {})
      while (paused === undefined) await new Promise((resolve) => setImmediate(resolve))
      await backup({ directory, database, to: to(), also: [], clock: () => slow.clock.date })
      paused()
      await writing
      expect(await read(tree, ino)).to.equal('b'.repeat(size))
      await restored(async (_again, tree) => {
        expect(await read(tree, ino)).to.equal('a'.repeat(size))
      })
    } finally {
      await slow.close()
    }
  })

  it('lets nobody in who was logged in, and repeats no number', async () => {
    const { ino, version } = await put(tree, at('f'), 'x')
    subject.database.exec(
      `INSERT INTO grants VALUES ('g', 'c', 's', '', '', 0, '', NULL, 0, 9e15, NULL, 0, '', NULL, 9e15);
       INSERT INTO refresh_tokens VALUES ('t', 'g', 'c', NULL, 9e15, NULL, NULL);
       INSERT INTO signing_keys VALUES ('k', 'ES256', '{}', '', 0, 0);
       INSERT INTO users (id, username, password_hash, created_at, valid_from)
         VALUES ('u', 'ann', '', 0, 0);
       INSERT INTO sessions VALUES ('s', 'u', 0, 0, 9e15, '', '')`,
    )
    const seen = await tree.changes.newest()
    await make()
    await restored(async ({ database }, tree) => {
      for (const table of ['grants', 'refresh_tokens', 'signing_keys', 'sessions']) {
        const { n } = database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }
        expect(n, table).to.equal(0)
      }
      expect((await tree.stat(ino)).version).to.be.above(version + 1_000_000)
      expect((await put(tree, { directory: tree.root, name: name('g') }, 'y')).ino).to.be.above(
        ino + 1_000_000,
      )
      expect((await tree.changes.after(seen, 10)).kind).to.equal('expired')
    })
  })

  it('repeats no number of what was restored from the same backup before', async () => {
    const { ino } = await put(tree, at('f'), 'x')
    await make()
    const live = async (_subject: TemporaryStorage, tree: Tree) => {
      const inodes: number[] = []
      for (let index = 0; index < 20; index += 1) {
        const place = { directory: tree.root, name: name(`g${index}`) }
        inodes.push((await put(tree, place, 'y')).ino)
      }
      const { version } = await put(tree, { directory: tree.root, name: name('f') }, 'z')
      return { inodes, version, newest: await tree.changes.newest() }
    }
    const first = await restored(live)
    const later = new Date(Date.now() + 1000)
    await restored(
      async (subject, tree) => {
        expect((await tree.changes.after(first.newest, 10)).kind).to.equal('expired')
        expect((await tree.stat(ino)).version).to.be.above(first.version)
        const { inodes } = await live(subject, tree)
        expect(inodes.filter((number) => first.inodes.includes(number))).to.deep.equal([])
      },
      () => later,
    )
    const wrong = new Date(0)
    await restored(
      async (_subject, tree) => expect((await tree.stat(ino)).version).to.be.above(1_000_000),
      () => wrong,
    )
  })

  it('refuses a directory that has something else than a backup, and the data itself', async () => {
    await put(tree, at('f'), 'content')
    const own = join(to(), 'content', 'photos', '2020')
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'me.jpg'), 'precious')
    expect(await failure(make())).to.match(/is not empty and has no backup: it has "content"/)
    expect(await readdir(own)).to.deep.equal(['me.jpg'])
    const { directory, database } = subject
    const into = (to: string) => backup({ directory, database, to, also: [], clock: now })
    for (const inside of [directory, join(directory, 'content'), join(directory, 'backup')]) {
      expect(await failure(into(inside))).to.match(/is in the data directory/)
    }
    expect(existsSync(join(directory, 'backup'))).to.equal(false)
    const other = await temporaryStorage()
    for (const inside of [join(other.directory, 'content', 'b'), join(other.directory, 'b', 'c')]) {
      expect(await failure(into(inside))).to.contain(`${inside} is in ${other.directory}, which is`)
      expect(existsSync(inside)).to.equal(false)
    }
    await other.close()
    expect(await failure(into(join(directory, '..')))).to.match(/has the data directory in it/)
    const file = join(elsewhere, 'file')
    await writeFile(file, '')
    expect(await failure(into(file))).to.equal(`${file} is no directory`)
    for (const other of [
      '',
      'something else than a database, but as long as the head of one'.repeat(9),
    ]) {
      await writeFile(join(elsewhere, 'coffer.db'), other)
      expect(await failure(into(elsewhere))).to.match(/that is no backup/)
    }
    await rm(join(elsewhere, 'coffer.db'))
    const photos = join(elsewhere, 'photos')
    await mkdir(photos)
    await writeFile(join(photos, 'me.jpg'), 'precious')
    expect(await failure(into(photos))).to.match(/is not empty and has no backup: it has "me.jpg"/)
    expect(await readdir(photos)).to.deep.equal(['me.jpg'])
  })

  it('refuses the backup of another data directory, and goes on with its own after a restore', async () => {
    const { ino } = await put(tree, at('f'), 'content')
    await make()
    const other = await temporaryStorage()
    try {
      const theirs = await other.storage.tree('ann')
      await put(theirs, { directory: theirs.root, name: name('f') }, 'CONTENT')
      const { directory, database } = other
      const mixed = backup({ directory, database, to: to(), also: [], clock: now })
      expect(await failure(mixed)).to.match(/has the backup of another data directory/)
    } finally {
      await other.close()
    }
    await restored(async ({ directory, database }, again) => {
      await backup({ directory, database, to: to(), also: [], clock: now })
      expect(await read(again, ino)).to.equal('content')
    })
    await restored(async (_subject, again) => expect(await read(again, ino)).to.equal('content'))
  })

  it('names the file that a full disk does not take', async () => {
    const file = join(elsewhere, 'file')
    await writeFile(file, 'content')
    const copied = await failure(copyHashed(file, '/dev/full', 7))
    expect(copied).to.match(/^cannot copy .*\/file to \/dev\/full: ENOSPC/)
  })

  it('goes on with one that was broken off, also on a disk of its own', async () => {
    await put(tree, at('f'), 'content')
    await mkdir(join(to(), 'lost+found'), { recursive: true })
    expect(await make()).to.include({ copied: 1 })
    await rename(join(to(), 'coffer.db'), join(to(), 'coffer.db.new'))
    expect(await make()).to.include({ contents: 1, copied: 1 })
  })

  it('refuses a damaged backup, a directory in use, and what is no backup; nothing is left', async () => {
    await put(tree, at('f'), 'content')
    await make()
    const target = join(elsewhere, 'target')
    expect(await failure(restore(elsewhere, target, now))).to.match(/is no backup/)
    expect(await failure(restore(subject.directory, target, now))).to.match(/is no backup: its/)
    expect(await failure(restore(to(), subject.directory, now))).to.match(/is not empty/)
    const files = await readdir(join(to(), 'content'), { recursive: true, withFileTypes: true })
    const file = files.find((entry) => entry.isFile())
    const path = join(file?.parentPath ?? '', file?.name ?? '')
    await writeFile(path, 'CONTENT')
    expect(await failure(restore(to(), target, now))).to.match(/is damaged/)
    await truncate(path, 3)
    expect(await failure(restore(to(), target, now))).to.match(/3 bytes instead of 7/)
    expect(existsSync(target)).to.equal(false)
    await mkdir(join(target, 'lost+found'), { recursive: true })
    expect(await failure(restore(to(), target, now))).to.match(/3 bytes instead of 7/)
    expect(await readdir(target)).to.deep.equal(['lost+found'])
  })
})

/** How many transactions have changed a database: the file change counter of its header (https://sqlite.org/fileformat2.html). */
async function transactionsOf(path: string): Promise<number> {
  return (await readFile(path)).readUInt32BE(24)
}
