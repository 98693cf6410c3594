import { expect } from 'chai'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { deferred } from '../../../../server/storage/parts/deferred.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put } from '../contract.js'
import { temporaryStorage } from '../temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

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
