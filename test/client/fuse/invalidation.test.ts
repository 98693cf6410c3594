import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { Invalidations } from '../../../client/fuse/invalidation.js'
import { NOTIFY } from '../../../client/fuse/protocol.js'

/** A kernel that takes each message when the test lets it. */
class SlowKernel {
  now = 1000
  readonly taken: string[] = []
  readonly #held: { readonly what: string; readonly resolve: () => void }[] = []
  readonly invalidations = new Invalidations(
    (message) => new Promise<void>((resolve) => this.#hold(message, resolve)),
    () => this.now,
  )

  #hold(message: Buffer, resolve: () => void): void {
    const kind = message.readInt32LE(4) === NOTIFY.INVAL_INODE ? 'inode' : 'entry'
    const what = `${kind} ${message.readBigUInt64LE(16)}`
    this.taken.push(what)
    this.#held.push({ what, resolve })
  }

  /** The message that is named, or the oldest. */
  async letGo(named?: string): Promise<void> {
    const at = Math.max(
      0,
      this.#held.findIndex(({ what }) => what === named),
    )
    this.#held.splice(at, 1)[0]?.resolve()
    await setImmediate()
  }
}

describe('the queue of invalidations', () => {
  it('sends one at a time', async () => {
    const slow = new SlowKernel()
    slow.invalidations.invalidateInode(1, 0, 0)
    slow.invalidations.invalidateInode(2, 0, 0)
    expect(slow.taken).to.deep.equal(['inode 1'])
    await slow.letGo()
    expect(slow.taken).to.deep.equal(['inode 1', 'inode 2'])
    slow.invalidations.close()
  })

  it('lets attributes and pages pass where names wait for the kernel, and who gives a name waits for no others', async () => {
    const slow = new SlowKernel()
    slow.invalidations.invalidateEntry(1, 'name')
    slow.invalidations.operationBegins(1, 'names')
    slow.invalidations.invalidateEntry(1, 'other')
    slow.invalidations.invalidateEntry(3, 'other')
    slow.invalidations.invalidateInode(1, 0, 0)
    slow.invalidations.invalidateInode(2, 0, 0)
    const settled: string[] = []
    void slow.invalidations.settled().then(() => settled.push('all'))
    const inodes = slow.invalidations.inodesSettled().then(() => settled.push('inodes'))
    expect(slow.taken).to.deep.equal(['entry 1', 'inode 1'])
    await slow.letGo('inode 1')
    await slow.letGo('inode 2')
    await inodes
    expect(slow.taken).to.deep.equal(['entry 1', 'inode 1', 'inode 2'])
    expect(settled).to.deep.equal(['inodes'])
    slow.invalidations.close()
  })

  it('sends the same message once', async () => {
    const slow = new SlowKernel()
    slow.invalidations.invalidateInode(9, 0, 0)
    for (let times = 0; times < 10; times++) slow.invalidations.invalidateInode(1, 0, 0)
    for (let times = 0; times < 5; times++) await slow.letGo()
    expect(slow.taken).to.deep.equal(['inode 9', 'inode 1'])
  })

  it('waits while an operation on the node is being answered, and lets others pass', async () => {
    const slow = new SlowKernel()
    const first = slow.invalidations.operationBegins(1, 'pages')
    const second = slow.invalidations.operationBegins(1, 'pages')
    slow.invalidations.invalidateInode(1, 0, 0)
    slow.invalidations.invalidateInode(2, 0, 0)
    await slow.letGo()
    slow.invalidations.operationEnds(first)
    slow.invalidations.operationEnds(first)
    expect(slow.taken).to.deep.equal(['inode 2'])
    slow.invalidations.operationEnds(second)
    expect(slow.taken).to.deep.equal(['inode 2', 'inode 1'])
    slow.invalidations.close()
  })

  it('goes out overdue where operations follow each other without a pause', () => {
    const slow = new SlowKernel()
    let last = slow.invalidations.operationBegins(1, 'pages')
    slow.invalidations.invalidateInode(1, 0, 0)
    for (let times = 0; times < 5; times++) {
      slow.now += 100
      const next = slow.invalidations.operationBegins(1, 'pages')
      slow.invalidations.operationEnds(last)
      last = next
    }
    slow.invalidations.invalidateInode(1, -1, 0)
    expect(slow.taken).to.deep.equal(['inode 1'])
    slow.invalidations.close()
  })

  it('stays behind an operation that is stuck, however long', () => {
    const slow = new SlowKernel()
    slow.invalidations.operationBegins(1, 'pages')
    slow.invalidations.invalidateInode(1, 0, 0)
    slow.now += 100_000
    slow.invalidations.operationBegins(1, 'pages')
    slow.invalidations.invalidateInode(2, 0, 0)
    expect(slow.taken).to.deep.equal(['inode 2'])
    slow.invalidations.close()
  })

  describe('of what an answer said a moment ago, which the kernel may take up later', () => {
    const told = (slow: SlowKernel, what: string) => slow.taken.filter((one) => one === what).length
    /** Any other message lets what is due go as well. */
    const look = async (slow: SlowKernel) => {
      slow.invalidations.invalidateInode(99, 0, 0)
      for (let times = 0; times < 5; times++) await slow.letGo()
    }
    /** So long after, the kernel asked again. */
    const later = async (slow: SlowKernel, milliseconds: number) => {
      slow.invalidations.answered({ about: [1, 2] })
      slow.now += milliseconds
      await look(slow)
    }

    it('sends one more a second later, and no third', async () => {
      const slow = new SlowKernel()
      slow.invalidations.answered({ about: [1, 2] })
      slow.now += 900
      slow.invalidations.invalidateEntry(1, 'name')
      slow.invalidations.invalidateInode(2, 0, 0)
      await look(slow)
      await later(slow, 999)
      expect([told(slow, 'entry 1'), told(slow, 'inode 2')], 'so soon').to.deep.equal([1, 1])
      await later(slow, 1)
      expect([told(slow, 'entry 1'), told(slow, 'inode 2')]).to.deep.equal([2, 2])
      for (let times = 0; times < 5; times++) await later(slow, 1000)
      expect([told(slow, 'entry 1'), told(slow, 'inode 2')], 'later').to.deep.equal([2, 2])
      slow.invalidations.close()
    })

    it('sends none of a node that no answer was about, or long ago', async () => {
      const slow = new SlowKernel()
      slow.invalidations.answered({ about: [7] })
      slow.invalidations.answered({})
      slow.now += 10_000
      slow.invalidations.invalidateInode(7, 0, 0)
      slow.invalidations.invalidateInode(8, 0, 0)
      await later(slow, 5000)
      expect([told(slow, 'inode 7'), told(slow, 'inode 8')]).to.deep.equal([1, 1])
      slow.invalidations.close()
    })

    it('counts from when it was sent, if it had to wait for that answer', async () => {
      const slow = new SlowKernel()
      const lookup = slow.invalidations.operationBegins(1, 'pages')
      slow.invalidations.invalidateEntry(1, 'name')
      slow.now += 5000
      slow.invalidations.answered({ about: [1, 2] })
      slow.invalidations.operationEnds(lookup)
      await later(slow, 1000)
      expect(told(slow, 'entry 1')).to.equal(2)
      slow.invalidations.close()
    })
  })
})
