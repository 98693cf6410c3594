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
    (message) => new Promise((resolve) => this.#hold(message, resolve)),
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
})
