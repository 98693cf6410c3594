import { expect } from 'chai'
import { LostLocks } from '../../../../client/fs/locks/lost-locks.js'
import { RemoteError } from '../../../../client/remote-error.js'

describe('open files whose locks went to another machine', () => {
  it('are refused until they are closed, and no others', () => {
    const lost = new LostLocks()
    expect(() => lost.refuse(1)).to.not.throw()
    lost.add([1, 2], 7)
    lost.add([3], 8)
    for (const handle of [1, 2, 3]) {
      expect(() => lost.refuse(handle))
        .to.throw(RemoteError)
        .with.property('code', 'EIO')
    }
    expect(() => lost.refuse(4)).to.not.throw()
    lost.closed(1)
    expect(() => lost.refuse(1)).to.not.throw()
    expect([lost.has(1), lost.has(2)]).to.deep.equal([false, true])
  })

  it('are of a file until the last of them is closed', () => {
    const lost = new LostLocks()
    lost.add([1, 2], 7)
    lost.closed(1)
    expect([lost.areOf(7), lost.areOf(8)]).to.deep.equal([true, false])
    lost.closed(2)
    expect(lost.areOf(7)).to.equal(false)
  })
})
