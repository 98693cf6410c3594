import { expect } from 'chai'
import type { Node } from '../../../../client/fuse/filesystem.js'
import { Invalidations } from '../../../../client/fuse/invalidation.js'
import { HOLDING_NOTHING, type Operation } from '../../../../client/fuse/operations.js'
import { LOCK_END } from '../../../../server/wire/locks.js'
import { until } from '../../../support/until.js'
import { caller, O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'

describe('closing a file of which a lock is just being had', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines('told, with locks'))
  })
  afterEach(() => earth.close())

  const posix = { space: 'posix', end: LOCK_END, pid: 1 } as const
  const reading = (machine: Machine, node: Node, handle: number, owner: string, start: number) =>
    machine.fs.setlk?.(node, handle, { ...posix, type: 'read', owner, start }, 'at once', caller)

  const closings: readonly [Operation, (node: Node, handle: number) => unknown][] = [
    ['flush', (node, handle) => here.fs.flush(node, handle, caller, 'b')],
    ['release', (node, handle) => here.fs.release(node, handle, caller)],
  ]
  for (const [operation, closing] of closings) {
    it(`waits for the lock, and that for the kernel, which waits for neither: ${operation}`, async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'x')
      const ours = await here.fs.open(node, O_RDWR, caller)
      const other = await here.fs.open(node, O_RDWR, caller)
      // So the server decides about the file, and neither machine.
      const { node: far } = await there.calls.walk('f')
      const theirs = await there.fs.open(far, O_RDWR, caller)
      await reading(there, far, theirs.handle, 'c', 0)
      await reading(here, node, other.handle, 'b', 0)

      const kernel = new Invalidations(
        async () => {},
        () => 0,
      )
      here.fault.settled = () => kernel.settled()
      let answer = () => {}
      const isAsked = new Promise<void>((asked) => {
        here.fault.before = (name) => {
          if (name !== 'lock') return undefined
          asked()
          return new Promise((answered) => {
            answer = answered
          })
        }
      })
      const locked = reading(here, node, ours.handle, 'a', 10)
      await isAsked
      const holds = !HOLDING_NOTHING.has(operation)
      const busy = holds ? kernel.operationBegins(node, 'pages') : undefined
      const closed = Promise.resolve(closing(node, other.handle)).then(() => {
        if (busy !== undefined) kernel.operationEnds(busy)
      })
      here.invalidated.length = 0
      await there.calls.store(ROOT, 'f', 'theirs')
      await until('it is told', async () => here.invalidated.includes(`inode ${node} 0`))
      kernel.invalidateInode(node, 0, 0)
      answer()
      await Promise.all([locked, closed])
      kernel.close()
      const wanted = { ...posix, type: 'write', owner: 'c', start: 0 } as const
      const inTheWay = await there.fs.getlk?.(far, theirs.handle, wanted, caller)
      expect(inTheWay?.start).to.equal(10)
    })
  }
})
