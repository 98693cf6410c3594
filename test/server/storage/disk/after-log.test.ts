import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { AfterLog } from '../../../../server/storage/disk/after-log.js'
import { Coalesced } from '../../../../server/storage/disk/coalesced.js'
import { contentPath } from '../../../../server/storage/disk/content-path.js'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { type Ino, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { until } from '../../../support/until.js'
import { put, read } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })
const SMALL = 1000

interface Row {
  readonly generation: number
  readonly stored: number
}

/** What loss of power brings back is what the log on the disk says, and the contents have to be those that it names. */
describe('contents and the log on the disk', () => {
  let calls: string[]
  let subject: TemporaryStorage
  /** Called when a content is synced. */
  let contentSynced: () => void

  beforeEach(async () => {
    calls = []
    contentSynced = () => {}
    const paths = new Map<number, string>()
    const disk: Disk = {
      ...nodeDisk,
      open(path, flags) {
        const fd = nodeDisk.open(path, flags)
        paths.set(fd, path)
        return fd
      },
      async fdatasync(fd) {
        await nodeDisk.fdatasync(fd)
        if (paths.get(fd)?.endsWith('-wal') === true) calls.push('log')
        else contentSynced()
      },
      async unlink(path) {
        calls.push('taken away')
        await nodeDisk.unlink(path)
      },
      async truncate(fd, length) {
        calls.push('taken away')
        await nodeDisk.truncate(fd, length)
      },
    }
    subject = await temporaryStorage({ disk, smallBytes: SMALL })
  })
  afterEach(() => subject.close())

  const row = (ino: Ino) =>
    subject.database
      .prepare<[Ino], Row>('SELECT generation, stored FROM inodes WHERE ino = ?')
      .get(ino)

  const removal = { kind: 'either', keep: false, precondition: overwrite } as const
  const WAYS: Record<string, (tree: Tree, ino: Ino) => Promise<unknown>> = {
    'was removed': (tree) => tree.remove(at(tree, 'f'), removal, {}),
    'was put anew': (tree) => put(tree, at(tree, 'f'), 'y'.repeat(5000)),
    'was emptied': (tree, ino) => tree.setAttributes(ino, { size: 0 }, overwrite, {}),
    'was cut': (tree, ino) => tree.setAttributes(ino, { size: 2000 }, overwrite, {}),
    'was cut by a write': (tree, ino) =>
      tree.write(ino, [{ offset: 0, data: Buffer.from('x') }], overwrite, {}, { size: 2000 }),
    'was replaced by a rename': async (tree) => {
      await put(tree, at(tree, 'g'), 'y'.repeat(5000))
      const how = {
        mode: 'replace',
        keep: false,
        source: overwrite,
        precondition: overwrite,
      } as const
      return tree.rename(at(tree, 'g'), at(tree, 'f'), how, {})
    },
  }
  for (const [what, change] of Object.entries(WAYS)) {
    it(`a content that ${what} is taken away after the log says so`, async () => {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'x'.repeat(5000))
      await subject.storage.durable()
      calls.length = 0
      await change(tree, ino)
      await subject.storage.swept()
      expect(calls).to.deep.equal(['log', 'taken away'])
    })
  }

  it('one that was removed is taken away also if nobody asks for the log', async () => {
    const tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'x'.repeat(5000))
    const path = contentPath(join(subject.directory, 'content'), row(ino)?.generation ?? 0)
    expect(existsSync(path)).to.equal(true)
    await tree.remove(at(tree, 'f'), removal, {})
    await until('the content is gone', async () => !existsSync(path))
  })

  it('a content that leaves the database is on the disk before', async () => {
    const tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'small')
    const before = row(ino)
    await subject.storage.durable()
    const seen: unknown[] = []
    contentSynced = () => seen.push(row(ino))
    const data = Buffer.alloc(2 * SMALL, 'y')
    await tree.write(ino, [{ offset: 5, data }], overwrite, {})
    expect(seen).to.deep.equal([before])
    expect(await read(tree, ino)).to.equal(`small${data}`)
  })

  it('a content is on the disk before it replaces another one', async () => {
    const tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'x'.repeat(5000))
    const before = row(ino)
    await subject.storage.durable()
    const seen: unknown[] = []
    contentSynced = () => seen.push(row(ino))
    await put(tree, at(tree, 'f'), 'y'.repeat(2 * SMALL))
    expect(seen).to.deep.equal([before])
    expect(row(ino)).to.not.deep.equal(before)
  })

  it('a copy of a content that a backup needs is on the disk before it takes its place', async () => {
    const tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'x'.repeat(5000))
    const before = row(ino)
    await subject.storage.durable()
    subject.database.exec(
      `INSERT INTO holds (until, generation)
       SELECT unixepoch('2027-01-01'), value FROM counters WHERE name = 'generation'`,
    )
    const seen: unknown[] = []
    contentSynced = () => seen.push(row(ino))
    await tree.write(ino, [{ offset: 0, data: Buffer.from('y') }], overwrite, {})
    expect(seen).to.deep.equal([before])
    expect(row(ino)).to.not.deep.equal(before)
  })
})

describe('what a crash has left of a content that no inode has yet', () => {
  it('is swept, and not with it the content that the inode gets meanwhile', async () => {
    const directory = await temporaryDirectory('after-log')
    try {
      const first = await temporaryStorage({ directory, smallBytes: SMALL })
      const made = await first.storage.tree('ann')
      const inos = [
        (await put(made, at(made, 'empty'), '')).ino,
        (await put(made, at(made, 'small'), 'x'.repeat(SMALL))).ino,
      ]
      const generations = first.database
        .prepare<[], number>('SELECT generation FROM inodes WHERE (mode & 61440) = 32768')
        .pluck()
        .all()
      expect(generations).to.have.length(inos.length)
      await first.close()
      for (const generation of generations) {
        const path = contentPath(join(directory, 'content'), generation)
        await mkdir(dirname(path), { recursive: true })
        await writeFile(path, 'left')
      }
      const subject = await temporaryStorage({ directory, smallBytes: SMALL })
      try {
        const tree = await subject.storage.tree('ann')
        const data = Buffer.alloc(2 * SMALL, 'y')
        for (const ino of inos) await tree.write(ino, [{ offset: 0, data }], overwrite, {})
        expect(await subject.problems()).to.deep.equal([])
        for (const ino of inos) expect(await read(tree, ino)).to.equal(`${data}`)
      } finally {
        await subject.close()
      }
    } finally {
      await removeDirectory(directory)
    }
  })
})

describe('what waits for a log that is just being synced', () => {
  it('is done when it is settled', async () => {
    const sync = new Coalesced(async () => {
      const ended = log.taken()
      await setImmediate()
      ended('synced')
    })
    const log: AfterLog = new AfterLog(
      () => sync.run(),
      () => false,
    )
    let isDone = false
    log.add(() => {
      isDone = true
    })
    const synced = sync.run()
    await log.settle()
    expect(isDone).to.equal(true)
    await synced
  })
})

describe('what waits for a log that cannot be synced', () => {
  it('does not try again at once, however short the room is', async () => {
    let tries = 0
    const log: AfterLog = new AfterLog(
      async () => {
        tries += 1
        log.taken()('failed')
      },
      () => true,
    )
    log.add(() => {})
    const turns = 100
    for (let turn = 0; turn < turns; turn++) await new Promise((next) => setTimeout(next, 1))
    expect(tries).to.be.within(1, turns / 10)
  })
})
