import { copyFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { openDatabase } from '../../../../server/database/database.js'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../../server/storage/path.js'
import type { Tree } from '../../../../server/storage/storage.js'
import { put } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

/** After fsync(2) has failed, the kernel counts as clean what is not on the disk: only what is written again gets there. */
describe('the log after a sync of it has failed', () => {
  let subject: TemporaryStorage
  let tree: Tree
  let log: number | undefined
  let broken: Error | undefined
  /** What was written to the log here since the last sync of it. */
  let again: Buffer[]
  /** The same, before each sync that succeeded. */
  let before: Buffer[]

  beforeEach(async () => {
    broken = undefined
    again = []
    before = []
    const disk: Disk = {
      ...nodeDisk,
      open(path, flags) {
        const fd = nodeDisk.open(path, flags)
        if (path.endsWith('-wal')) log = fd
        return fd
      },
      writeSync(fd, data, position) {
        nodeDisk.writeSync(fd, data, position)
        if (fd === log) again.push(Buffer.from(data))
      },
      async fdatasync(fd) {
        await nodeDisk.fdatasync(fd)
        if (fd !== log) return
        const written = Buffer.concat(again.splice(0))
        if (broken !== undefined) throw broken
        before.push(written)
      },
    }
    subject = await temporaryStorage({ disk })
    tree = await subject.storage.tree('ann')
    await put(tree, place('first'), 'x')
    await subject.storage.durable()
  })
  afterEach(() => subject.close())

  const place = (text: string) => ({ directory: tree.root, name: name(text) })
  const logPath = () => join(subject.directory, 'coffer.db-wal')
  const failsToSync = async () => {
    broken = Object.assign(new Error('pages are lost'), { code: 'EIO', syscall: 'fdatasync' })
    const [outcome] = await Promise.allSettled([subject.storage.durable()])
    expect(outcome).to.have.nested.property('reason.code', 'EIO')
    broken = undefined
    before.length = 0
  }

  it('is written again, all of it, and begun anew, before the next succeeds', async () => {
    await put(tree, place('f'), 'x')
    await failsToSync()
    const whole = await readFile(logPath())
    await subject.storage.durable()
    expect(before[0]?.equals(whole)).to.equal(true)
    expect(await stat(logPath())).to.have.property('size', 0)
    await put(tree, place('g'), 'x')
    before.length = 0
    await subject.storage.durable()
    expect(before.map(({ length }) => length)).to.deep.equal([0])
  })

  it('leaves a database that has everything without it', async () => {
    await put(tree, place('f'), 'x')
    await failsToSync()
    await subject.storage.durable()
    const alone = join(subject.directory, 'without-log.db')
    await copyFile(join(subject.directory, 'coffer.db'), alone)
    const later = openDatabase(alone)
    try {
      const names = later.prepare<[], string>('SELECT name FROM entries ORDER BY name').pluck()
      expect(names.all()).to.deep.equal(['f', 'first'])
    } finally {
      later.close()
    }
  })

  it('cannot be synced for as long as somebody reads what is older', async () => {
    const reader = openDatabase(join(subject.directory, 'coffer.db'))
    try {
      reader.exec('BEGIN; SELECT count(*) FROM inodes')
      await put(tree, place('f'), 'x')
      await failsToSync()
      const [outcome] = await Promise.allSettled([subject.storage.durable()])
      expect(outcome).to.have.nested.property('reason.code', 'EIO')
    } finally {
      reader.close()
    }
    await subject.storage.durable()
  })

  it('is written again by a process that begins, which knows nothing of it', () => {
    expect(before.map(({ length }) => length > 0)).to.deep.equal([true])
  })
})
