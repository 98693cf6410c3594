import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { contentPath } from '../../../../server/storage/disk/content-path.js'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { type Ino, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put, read } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

/** A disk that cannot take what was written to one content, and a kernel that tells that once (fsync(2)). */
describe('a content after a sync of it has failed', () => {
  let subject: TemporaryStorage
  let tree: Tree
  let ino: Ino
  /** The place on the disk that is bad. */
  let bad: string | undefined
  let isTold: boolean
  let isFull: boolean
  /** Just before something is written. */
  let beforeWrite: () => Promise<unknown>
  /** What the disk has, by path. */
  let onDisk: Map<string, string>

  beforeEach(async () => {
    bad = undefined
    isTold = false
    isFull = false
    beforeWrite = async () => {}
    onDisk = new Map()
    const paths = new Map<number, string>()
    const disk: Disk = {
      ...nodeDisk,
      open(path, flags) {
        const fd = nodeDisk.open(path, flags)
        paths.set(fd, path)
        return fd
      },
      async write(fd, pieces, position) {
        await beforeWrite()
        if (isFull) throw Object.assign(new Error('no room'), { code: 'ENOSPC', syscall: 'write' })
        return nodeDisk.write(fd, pieces, position)
      },
      async fdatasync(fd) {
        const path = paths.get(fd) ?? ''
        if (path !== bad) {
          await nodeDisk.fdatasync(fd)
          onDisk.set(path, readFileSync(path, 'latin1'))
        } else if (!isTold) {
          isTold = true
          throw Object.assign(new Error('pages are lost'), { code: 'EIO', syscall: 'fdatasync' })
        }
      },
    }
    subject = await temporaryStorage({ disk })
    tree = await subject.storage.tree('ann')
    const made = await put(tree, { directory: tree.root, name: name('f') }, 'old bytes')
    ino = made.ino
    await subject.storage.durable()
    bad = place()
    await tree.write(ino, [{ offset: 0, data: Buffer.from('new') }], overwrite, {})
  })
  afterEach(() => subject.close())

  const remove = () => {
    const how = { kind: 'either', keep: false, precondition: overwrite } as const
    return tree.remove({ directory: tree.root, name: name('f') }, how, {})
  }
  const place = (): string => {
    const generation = subject.database
      .prepare<[Ino], number>('SELECT generation FROM inodes WHERE ino = ?')
      .pluck()
      .get(ino)
    return contentPath(join(subject.directory, 'content'), generation ?? 0)
  }
  const fails = async (asked: Promise<void>) => {
    const [outcome] = await Promise.allSettled([asked])
    expect(outcome).to.have.nested.property('reason.code', 'EIO')
  }
  const isTooMuch = async (asked: Promise<void>) => {
    const [outcome] = await Promise.allSettled([asked])
    expect(outcome).to.have.nested.property('reason.code', 'ENOSPC')
  }

  const WAYS: Record<string, () => Promise<void>> = {
    it: () => subject.storage.durable(ino),
    everything: () => subject.storage.durable(),
  }
  for (const [what, ask] of Object.entries(WAYS)) {
    it(`is somewhere else on the disk before who asks about ${what} is told that it is there`, async () => {
      await fails(ask())
      await ask()
      expect(onDisk.get(place())).to.equal('new bytes')
      expect(await read(tree, ino)).to.equal('new bytes')
      await subject.storage.swept()
      expect(existsSync(bad ?? '')).to.equal(false)
      expect(await subject.problems()).to.deep.equal([])
    })
  }

  it('fails who asks about it for as long as there is no other place, and of all others the first', async () => {
    await fails(subject.storage.durable())
    isFull = true
    await isTooMuch(subject.storage.durable())
    await Promise.all([subject.storage.durable(), subject.storage.durable()])
    await isTooMuch(subject.storage.durable(ino))
    await subject.storage.durable()
    isFull = false
    await subject.storage.durable(ino)
    expect(onDisk.get(place())).to.equal('new bytes')
  })

  it('is brought to another place by one of many who ask about everything', async () => {
    await fails(subject.storage.durable())
    isFull = true
    const asked = [1, 2, 3].map(() => subject.storage.durable())
    const outcomes = await Promise.allSettled(asked)
    expect(outcomes.filter(({ status }) => status === 'rejected')).to.have.length(1)
  })

  it('is in no way of others, nor is it after it was removed', async () => {
    await fails(subject.storage.durable(ino))
    const other = await put(tree, { directory: tree.root, name: name('g') }, 'x')
    await subject.storage.durable(other.ino)
    expect(place()).to.equal(bad)
    await remove()
    await subject.storage.durable()
    expect(await subject.problems()).to.deep.equal([])
  })

  it('is in no way if it is removed while it is brought to another place', async () => {
    await fails(subject.storage.durable())
    beforeWrite = remove
    await subject.storage.durable()
    expect(await subject.problems()).to.deep.equal([])
  })
})
