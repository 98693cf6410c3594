import { expect } from 'chai'
import { caller, ROOT } from './kernel-calls.js'
import { world } from './local-mount.js'

describe('names on a mount with a journal', () => {
  it('are what was last known once the server turns out to be away, also for who asks already', async () => {
    const earth = await world()
    try {
      let isAway = false
      const here = await earth.machine({}, 'not told', { isAway: () => isAway })
      const { node } = await here.fs.mkdir(ROOT, 'd', 0o755, caller)
      await here.calls.store(node, 'known', 'x')
      const known = await here.calls.lookup(node, 'known')
      // What is known is too old to be believed, and the question is never answered.
      earth.pass(10_000)
      here.files.lookup = () => {
        isAway = true
        return new Promise(() => {})
      }
      expect((await here.calls.lookup(node, 'known')).node).to.equal(known.node)
      isAway = false
      expect((await here.calls.lookup(node, 'none')).node).to.equal(0)
    } finally {
      await earth.close()
    }
  })
})
