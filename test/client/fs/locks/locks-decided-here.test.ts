import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { LOCK_END } from '../../../../server/wire/locks.js'
import { caller, O_RDWR, ROOT } from '../kernel-calls.js'
import { News, twoMachines, world } from '../local-mount.js'
import { refused } from './locking-program.js'

describe('locks of a file about which the mount decides', () => {
  it('are had and let go of before the call returns, and refused to another program', async () => {
    const { earth, here } = await twoMachines('told, with locks')
    await here.calls.store(ROOT, 'f', 'x')
    const { node } = await here.calls.walk('f')
    const { handle } = await here.fs.open(node, O_RDWR, caller)
    const range = { space: 'posix', start: 0, end: LOCK_END, pid: 1 } as const
    const setlk = (owner: string, type: 'write' | 'none') =>
      here.fs.setlk?.(node, handle, { ...range, owner, type }, 'at once', caller)
    // The server says with the first one that we decide.
    await setlk('a', 'write')
    expect(setlk('a', 'none')).to.equal(undefined)
    expect(setlk('a', 'write')).to.equal(undefined)
    expect(await refused(Promise.resolve(setlk('b', 'write')))).to.equal('EAGAIN')
    expect(setlk('a', 'none')).to.equal(undefined)
    expect(setlk('b', 'write')).to.equal(undefined)
    await earth.close()
  })

  it('are all let go of when the open file is closed, however many ranges they are', async () => {
    const { earth, here } = await twoMachines('told, with locks')
    await here.calls.store(ROOT, 'f', 'x')
    const { node } = await here.calls.walk('f')
    const first = await here.fs.open(node, O_RDWR, caller)
    const second = await here.fs.open(node, O_RDWR, caller)
    const setlk = (owner: 'first' | 'second', type: 'read' | 'write', start: number, end: number) =>
      here.fs.setlk?.(
        node,
        { first, second }[owner].handle,
        { space: 'posix', start, end, pid: 1, owner, type },
        'at once',
        caller,
      )
    await setlk('first', 'write', 0, 49)
    await setlk('first', 'read', 10, 19)
    const released = here.fs.release(node, first.handle, caller)
    // The next request of the kernel is served in the same step.
    const next = setlk('second', 'write', 0, 49)
    await released
    expect(await next).to.equal(undefined)
    await earth.close()
  })
})

describe('a lock while the stream of changes is away', () => {
  it('is not to be had after half a minute: what is cached may be older than the lock', async () => {
    const earth = await world()
    const stream = new News()
    const machine = await earth.machine({}, 'told, with locks', {
      changes: (signal) => stream.stream(signal),
    })
    const { fs, calls } = machine
    await calls.store(ROOT, 'f', 'x')
    const { node } = await calls.walk('f')
    const { handle } = await fs.open(node, O_RDWR, caller)
    const lock = { space: 'flock', owner: 'a', start: 0, end: LOCK_END, pid: 1 } as const
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      let outcome: unknown = 'waits'
      const setlk = fs.setlk?.(node, handle, { ...lock, type: 'write' }, 'at once', caller)
      const refusal = refused(Promise.resolve(setlk)).then((code) => {
        outcome = code
      })
      for (let turn = 0; turn < 20; turn++) await setImmediate()
      mock.timers.tick(29_999)
      await setImmediate()
      expect(outcome).to.equal('waits')
      mock.timers.tick(1)
      await refusal
      expect(outcome).to.equal('ENOLCK')
    } finally {
      mock.timers.reset()
    }
    await earth.close()
  })
})
