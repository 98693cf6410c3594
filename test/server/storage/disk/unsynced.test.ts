import { expect } from 'chai'
import { Unsynced } from '../../../../server/storage/disk/unsynced.js'

describe('Unsynced', () => {
  it('tells what was lost while nobody asked, though the next sync finds nothing wrong', async () => {
    const broken = new Set([2])
    const subject = new Unsynced<number>(async (key) => {
      // the kernel says it once
      if (broken.delete(key)) throw new Error(`bytes of ${key} are lost`)
    })
    for (const key of [1, 2, 3]) subject.mark(key)
    subject.beginAll(2)
    await subject.sync(3)
    const [told] = await Promise.allSettled([subject.sync(2)])
    expect(told).to.have.nested.property('reason.message', 'bytes of 2 are lost')
    await subject.syncAll(2)
    expect(subject.count).to.equal(0)
  })

  it('does not tell of what is gone', async () => {
    const subject = new Unsynced<number>(() => Promise.reject(new Error('bytes are lost')))
    subject.mark(1)
    subject.begin(1)
    await subject.stop()
    subject.forget(1)
    expect(subject.count).to.equal(0)
  })

  it('begins nothing by itself any more once it is stopped', async () => {
    const synced: number[] = []
    const subject = new Unsynced<number>(async (key) => {
      synced.push(key)
    })
    for (const key of [1, 2, 3]) subject.mark(key)
    subject.beginAll(1)
    await subject.stop()
    expect(synced).to.deep.equal([1])
  })
})
