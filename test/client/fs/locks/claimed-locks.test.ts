import { expect } from 'chai'
import { LOCK_END } from '../../../../server/wire/locks.js'
import { until } from '../../../support/until.js'
import { caller, O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'

describe('a lock that is granted', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines('told, with locks'))
  })
  afterEach(() => earth.close())

  /** What a program does to the lock of a file that it has open: it takes it for writing where nothing else is said. */
  async function locking(
    machine: Machine,
    owner: string,
    name = 'f',
    way: 'at once' | 'waiting' = 'at once',
  ) {
    const { node } = await machine.calls.walk(name)
    const { handle } = await machine.fs.open(node, O_RDWR, caller)
    const lock = { space: 'flock', start: 0, end: LOCK_END, pid: 1, owner } as const
    return async (type: 'read' | 'write' | 'none' = 'write') =>
      machine.fs.setlk?.(node, handle, { ...lock, type }, way, caller)
  }

  it('is asked for again when the server starts again before the mount has it', async () => {
    for (const name of ['other', 'f']) await here.calls.store(ROOT, name, 'x')
    await (await locking(here, 'a', 'other'))()
    const ours = await locking(here, 'a')
    const claimed = new Promise<void>((resolve) => {
      let claims = 0
      here.fault.next = (operation) => {
        if (operation === 'claimLocks') claims += 1
        // Those of the one file, and that this is all.
        if (claims === 2) resolve()
        return undefined
      }
    })
    here.fault.settled = async () => {
      delete here.fault.settled
      earth.restart()
      await claimed
      await new Promise(setImmediate)
    }
    await ours()
    const theirs = await locking(there, 'b')
    const refusal = await theirs().catch((error: { code?: string }) => error.code)
    expect(refusal).to.equal('EAGAIN')
  })

  it('is kept when the server starts once more while it is claimed', async () => {
    await here.calls.store(ROOT, 'f', 'x')
    await (await locking(here, 'a'))()
    const claimed = new Promise<void>((resolve) => {
      let claims = 0
      here.fault.next = (operation) => {
        if (operation !== 'claimLocks') return undefined
        claims += 1
        // The last one goes to a server that has not heard the others.
        if (claims === 2) {
          earth.restart()
          setImmediate(resolve)
        }
        return undefined
      }
    })
    earth.restart()
    await claimed
    const theirs = await locking(there, 'b')
    const refusal = await theirs().catch((error: { code?: string }) => error.code)
    expect(refusal).to.equal('EAGAIN')
  })

  it('is not claimed behind the back of who lets go of it', async () => {
    await here.calls.store(ROOT, 'f', 'x')
    const theirs = await locking(there, 'b')
    const ours = await locking(here, 'a')
    // So the server decides about the file, and neither machine.
    await theirs('read')
    await ours('read')
    await theirs('none')
    let arrive = () => {}
    const claiming = new Promise<void>((resolve) => {
      here.fault.before = (operation) => {
        if (operation !== 'claimLocks') return undefined
        resolve()
        return new Promise((arrived) => {
          arrive = arrived
        })
      }
    })
    earth.restart()
    await claiming
    const letGo = ours('none')
    await new Promise(setImmediate)
    delete here.fault.before
    arrive()
    await letGo
    await until('the server has claims of all', () =>
      theirs('write').then(
        () => true,
        () => false,
      ),
    )
  })

  it('is not waited for once it is given back: the server that starts again hears that nothing is held', async () => {
    for (const name of ['f', 'other']) await here.calls.store(ROOT, name, 'x')
    const ours = await locking(here, 'a')
    const theirs = await locking(there, 'b')
    await ours()
    await ours('none')
    await theirs() // which recalls it from us
    await theirs('none')
    earth.restart()
    await (await locking(there, 'b', 'other'))()
  })

  it('is asked for as soon as the stream is back that may have told of it meanwhile', async () => {
    await here.calls.store(ROOT, 'f', 'x')
    const theirs = await locking(there, 'b')
    await theirs()
    const ours = await locking(here, 'a', 'f', 'waiting')
    let asked = 0
    here.fault.next = (operation) => {
      if (operation === 'lock') asked += 1
      return undefined
    }
    const got = ours()
    await until('it waits', async () => asked === 1)
    earth.restart()
    // By itself it would ask again after seconds.
    for (let turn = 0; turn < 1_000 && asked === 1; turn++) await new Promise(setImmediate)
    expect(asked).to.be.greaterThan(1)
    await theirs('none')
    await got
  })
})
