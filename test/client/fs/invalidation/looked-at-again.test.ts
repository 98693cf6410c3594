import { expect } from 'chai'
import { caller, O_RDONLY, O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, type World, world } from '../local-mount.js'

const PIECE = 512 << 10

describe('an open file that is looked at again, without a stream of changes', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    earth = await world()
    here = await earth.machine()
    there = await earth.machine()
  })
  afterEach(() => earth.close())

  it('is seen as it was changed elsewhere, each time', async () => {
    const stored = await there.calls.store(ROOT, 'f', 'a'.repeat(8 * PIECE))
    const theirs = await there.fs.open(stored.node, O_RDWR, caller)
    const { node } = await here.calls.lookup(ROOT, 'f')
    const { handle } = await here.fs.open(node, O_RDONLY, caller)
    await here.fs.read(node, handle, 0, PIECE, caller)
    for (const [index, letter] of ['b', 'c', 'd'].entries()) {
      const at = (index + 1) * PIECE
      await there.fs.write(stored.node, theirs.handle, at, Buffer.from(letter), caller)
      await there.fs.flush(stored.node, theirs.handle, caller)
      earth.pass(1001)
      here.invalidated.length = 0
      await here.calls.stat(node)
      expect(here.invalidated, letter).to.include(`inode ${node} 0`)
      const data = await here.fs.read(node, handle, at, PIECE, caller)
      expect(String(data.subarray(0, 1))).to.equal(letter)
    }
  })
})
