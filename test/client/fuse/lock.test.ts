import { expect } from 'chai'
import { FuseError } from '../../../client/fuse/errno.js'
import { LK_OUT_SIZE, lkOut, lockFields } from '../../../client/fuse/lock.js'

const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn

/** struct fuse_lk_in of a lock for writing. */
function lkIn(owner: bigint, start: bigint, end: bigint): Buffer {
  const body = Buffer.alloc(48)
  for (const [index, value] of [7n, owner, start, end].entries())
    body.writeBigUInt64LE(value, index * 8)
  body.writeUInt32LE(1, 32)
  body.writeUInt32LE(42, 36)
  return body
}

describe('locks as the kernel writes them', () => {
  it('have an owner of 64 bits', () => {
    const owners = [1n, 1n << 63n, (1n << 63n) + 1n, 0xffff_ffff_ffff_ffffn]
    const read = owners.map((owner) => lockFields(lkIn(owner, 0n, OFFSET_MAX)).change.owner)
    expect(new Set(read).size).to.equal(owners.length)
  })

  it('reach to the end of any file, and back', () => {
    const { handle, change } = lockFields(lkIn(1n, 2n ** 53n - 2n, OFFSET_MAX))
    expect(handle).to.equal(7)
    expect(change).to.include({ space: 'posix', type: 'write', pid: 42 })
    expect(change).to.include({ start: 2 ** 53 - 2, end: Number.MAX_SAFE_INTEGER })
    const out = Buffer.alloc(LK_OUT_SIZE)
    lkOut(out, 0, { ...change, type: 'write' })
    expect(out.readBigUInt64LE(0)).to.equal(2n ** 53n - 2n)
    expect(out.readBigUInt64LE(8)).to.equal(OFFSET_MAX)
  })

  it('cannot begin where a number is no longer exact', () => {
    const asked = () => lockFields(lkIn(1n, 2n ** 53n, OFFSET_MAX))
    expect(asked).to.throw(FuseError).with.property('code', 'EOVERFLOW')
  })
})
