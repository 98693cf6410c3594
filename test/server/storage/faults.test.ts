import { expect } from 'chai'
import { type Disk, nodeDisk } from '../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../server/storage/path.js'
import { overwrite } from '../../../server/storage/storage.js'
import { code, put } from './contract.js'
import { dump, Model, type Operation, perform } from './model.js'
import { nextOperation, random } from './next-operation.js'
import { temporaryStorage } from './temporary.js'

/** A disk whose nth call of those that change something fails, once or from then on. */
class FailingDisk {
  readonly disk: Disk
  left = Number.POSITIVE_INFINITY
  again: 'once' | 'always' = 'once'
  error = 'ENOSPC'
  failed = 0

  constructor() {
    this.disk = this.#breaking()
  }

  /** From now on, calls succeed up to this one. */
  failAt(call: number, error: string, again: 'once' | 'always'): void {
    this.left = call
    this.error = error
    this.again = again
    this.failed = 0
  }

  heal(): void {
    this.left = Number.POSITIVE_INFINITY
  }

  #breaking(): Disk {
    const step = () => {
      this.left -= 1
      if (this.left > 0) return
      if (this.again === 'once') this.heal()
      this.failed += 1
      throw Object.assign(new Error(`${this.error}: injected`), {
        code: this.error,
        syscall: 'write',
      })
    }
    return {
      ...nodeDisk,
      open: (path, flags) => {
        step()
        return nodeDisk.open(path, flags)
      },
      writeSync: (fd, data, position) => {
        // A full disk takes a part before it refuses the rest.
        try {
          step()
        } catch (error) {
          nodeDisk.writeSync(fd, data.subarray(0, data.length >> 1), position)
          throw error
        }
        nodeDisk.writeSync(fd, data, position)
      },
      write: async (fd, data, position) => {
        try {
          step()
        } catch (error) {
          await nodeDisk.write(fd, [Buffer.concat(data).subarray(0, 1000)], position)
          throw error
        }
        await nodeDisk.write(fd, data, position)
      },
      truncate: async (fd, length) => {
        step()
        await nodeDisk.truncate(fd, length)
      },
      // a disk without holes: zeros are written
      punch: async () => {
        step()
        return false
      },
      makeFolder: (path) => {
        step()
        nodeDisk.makeFolder(path)
      },
      copy: async (from, to, flags) => {
        step()
        await nodeDisk.copy(from, to, flags)
      },
      fdatasync: async (fd) => {
        step()
        await nodeDisk.fdatasync(fd)
      },
    }
  }
}

const CODES: Record<string, string> = { ENOSPC: 'ENOSPC', EIO: 'EIO', EDQUOT: 'ENOSPC' }

describe('Storage on a disk that fails', () => {
  const sizes = [5000, 70_000, 300_000, 9_000_000]
  const operations: [string, Operation][] = sizes.flatMap((size) => [
    [`a new file of ${size} bytes`, { kind: 'put', path: 'new', seed: 5, size }],
    [`a replacement of ${size} bytes`, { kind: 'put', path: 'file', seed: 6, size }],
    [`an append of ${size} bytes`, { kind: 'append', path: 'file', seed: 7, size }],
    [`an overwrite of ${size} bytes`, { kind: 'write', path: 'big', seed: 8, size, offset: 1000 }],
    [`a first write of ${size} bytes`, { kind: 'write', path: 'hole', seed: 9, size, offset: 10 }],
  ])
  operations.push(
    ['growing', { kind: 'truncate', path: 'file', size: 100_000 }],
    ['cutting', { kind: 'truncate', path: 'big', size: 100_000 }],
    ['emptying', { kind: 'truncate', path: 'big', size: 0 }],
    ['zeros in a file', { kind: 'zero', path: 'big', offset: 9, size: 900_000, extend: false }],
    ['zeros to the end', { kind: 'zero', path: 'big', offset: 9, size: 9_000_000, extend: true }],
    ['zeros in a small file', { kind: 'zero', path: 'file', offset: 9, size: 9000, extend: true }],
    ['copying a range', { kind: 'copyRange', path: 'big', to: 'file', offset: 9, size: 900_000 }],
    ['copying a file', { kind: 'copy', path: 'big', to: 'copy' }],
    ['copying a directory', { kind: 'copy', path: 'folder', to: 'copy' }],
  )

  for (const error of ['ENOSPC', 'EIO']) {
    for (const [what, operation] of operations) {
      if (error === 'EIO' && what.includes('9000000')) continue
      it(`leaves the old state when ${what} meets ${error} at any step, and goes on afterwards`, async () => {
        const failing = new FailingDisk()
        const smallBytes = 4000
        const subject = await temporaryStorage({ disk: failing.disk, smallBytes })
        try {
          const tree = await subject.storage.tree('ann')
          const model = new Model()
          const prepare: Operation[] = [
            { kind: 'put', path: 'file', seed: 1, size: 3000 },
            { kind: 'put', path: 'big', seed: 2, size: 2_000_000 },
            { kind: 'put', path: 'hole', seed: 3, size: 0 },
            { kind: 'truncate', path: 'hole', size: 500 },
            { kind: 'mkdir', path: 'folder' },
            { kind: 'put', path: 'folder/a', seed: 4, size: 4000 },
            { kind: 'put', path: 'folder/b', seed: 4, size: 400_000 },
          ]
          for (const one of prepare) {
            expect(await perform(tree, tree.root, one)).to.equal(model.apply(one))
          }
          for (let step = 1; ; step += 1) {
            failing.failAt(step, error, 'once')
            const outcome = await perform(tree, tree.root, operation)
            const { failed } = failing
            failing.heal()
            // What fails after the commit, or need not succeed, does not fail the operation.
            if (outcome === 'ok') model.apply(operation)
            else expect(outcome).to.equal(CODES[error])
            expect(await dump(tree, tree.root), `failed at step ${step}`).to.equal(model.dump())
            if (outcome === 'ok' && failed === 0) break
            expect(step).to.be.below(300)
          }
          expect(await perform(tree, tree.root, operation)).to.equal(model.apply(operation))
          expect(await dump(tree, tree.root)).to.equal(model.dump())
          await subject.storage.durable()
          expect(await damage(subject)).to.deep.equal([])
        } finally {
          await subject.close()
        }
      }).timeout(60_000)
    }
  }

  it('survives random failures under random operations', async () => {
    const failing = new FailingDisk()
    const subject = await temporaryStorage({ disk: failing.disk })
    try {
      const tree = await subject.storage.tree('ann')
      const model = new Model()
      const pick = random(7)
      let failures = 0
      for (let count = 0; count < 600; count += 1) {
        const operation = nextOperation(pick, model.paths())
        failing.failAt(1 + pick(12), pick(2) === 0 ? 'ENOSPC' : 'EIO', 'once')
        const outcome = await perform(tree, tree.root, operation)
        failing.heal()
        if (outcome === 'ENOSPC' || outcome === 'EIO') failures += 1
        else expect(outcome, JSON.stringify(operation)).to.equal(model.apply(operation))
        if (count % 20 === 0) expect(await dump(tree, tree.root)).to.equal(model.dump())
      }
      expect(failures).to.be.above(10)
      expect(await dump(tree, tree.root)).to.equal(model.dump())
      expect(await damage(subject)).to.deep.equal([])
    } finally {
      await subject.close()
    }
  }).timeout(60_000)

  it('does not show a write that could not be put back, and puts it back once the disk works', async () => {
    const failing = new FailingDisk()
    const subject = await temporaryStorage({ disk: failing.disk })
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, { directory: tree.root, name: name('f') }, 'a'.repeat(1000))
      failing.failAt(1, 'EIO', 'always')
      const parts = [{ offset: 0, data: Buffer.alloc(1000, 'b') }]
      expect(await tree.write(ino, parts, () => {}, {}).catch(code)).to.equal('EIO')
      const content = await tree.open(ino)
      expect(await content.read(0, 1000).catch(code)).to.equal('EIO')
      failing.heal()
      expect(String(await content.read(0, 1000))).to.equal('a'.repeat(1000))
      await content.close()
      expect(await subject.problems()).to.deep.equal([])
    } finally {
      await subject.close()
    }
  })

  it('does not say durable when the disk refused to sync, and says it once it did', async () => {
    const failing = new FailingDisk()
    const subject = await temporaryStorage({ disk: failing.disk })
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, { directory: tree.root, name: name('f') }, 'x')
      failing.failAt(1, 'EIO', 'always')
      expect(await subject.storage.durable().catch(code)).to.equal('EIO')
      expect(await subject.storage.durable(ino).catch(code)).to.equal('EIO')
      failing.heal()
      await subject.storage.durable()
    } finally {
      await subject.close()
    }
  })

  it('answers ENOSPC when the database cannot grow, and goes on when it can', async () => {
    const subject = await temporaryStorage()
    try {
      const { database, storage } = subject
      const tree = await storage.tree('ann')
      const model = new Model()
      const pages = Number(database.pragma('page_count', { simple: true }))
      database.pragma(`max_page_count = ${pages + 5}`)
      let refusals = 0
      for (let count = 0; count < 400; count += 1) {
        const operation: Operation = { kind: 'put', path: `file-${count}`, seed: count, size: 100 }
        const outcome = await perform(tree, tree.root, operation)
        if (outcome === 'ok') model.apply(operation)
        else refusals += 1
        expect(outcome).to.be.oneOf(['ok', 'ENOSPC'])
      }
      expect(refusals).to.be.above(0)
      expect(await dump(tree, tree.root)).to.equal(model.dump())
      database.pragma('max_page_count = 1000000')
      const after: Operation = { kind: 'put', path: 'after', seed: 1, size: 10 }
      expect(await perform(tree, tree.root, after)).to.equal(model.apply(after))
      expect(await dump(tree, tree.root)).to.equal(model.dump())
      expect(await damage(subject)).to.deep.equal([])
    } finally {
      await subject.close()
    }
  })

  it('keeps a reserve of the disk free', async () => {
    const free = { bytes: 64 * 1024 * 1024 + 1000 }
    const disk: Disk = { ...nodeDisk, space: () => ({ total: 2 ** 40, free: free.bytes }) }
    const subject = await temporaryStorage({ disk })
    try {
      const tree = await subject.storage.tree('ann')
      const place = (text: string) => ({ directory: tree.root, name: name(text) })
      expect((await tree.totals()).freeBytes).to.equal(1000)
      expect(await put(tree, place('a'), 'x'.repeat(1001)).catch(code)).to.equal('ENOSPC')
      expect(await tree.upload({ size: 5000 }).catch(code)).to.equal('ENOSPC')
    } finally {
      await subject.close()
    }
  })

  it('keeps the reserve free of what waits on the disk and is written once more in the end', async () => {
    const MB = 1_000_000
    const free = { bytes: 2 ** 40 }
    const disk: Disk = { ...nodeDisk, space: () => ({ total: 2 ** 40, free: free.bytes }) }
    const subject = await temporaryStorage({ disk })
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, { directory: tree.root, name: name('a') }, '')
      free.bytes = 64 * 1024 * 1024 + 20 * MB
      let sent = 0
      const endless = async function* () {
        for (; sent < 100; sent += 1) yield [{ offset: sent * MB, data: Buffer.alloc(MB) }]
      }
      // what one statfs(2) said is believed for a while
      await tree.write(ino, [{ offset: 0, data: Buffer.alloc(17 * MB) }], overwrite, {})
      const written = tree.write(ino, endless(), overwrite, {})
      expect(await written.catch(code)).to.equal('ENOSPC')
      expect(sent).to.be.within(9, 12)
      for (const length of [10 * MB + 1, 20 * MB + 1]) {
        const known = tree.write(ino, endless(), overwrite, {}, {}, { offset: 0, length })
        expect(await known.catch(code)).to.equal('ENOSPC')
      }
      expect(sent).to.be.below(13)
    } finally {
      await subject.close()
    }
  })
})

/** What fsck finds, less the leavings of failures, which the next start sweeps. */
async function damage(subject: Awaited<ReturnType<typeof temporaryStorage>>): Promise<string[]> {
  const problems = await subject.problems()
  return problems.filter((problem) => !problem.startsWith('content without inode'))
}
