import { expect } from 'chai'
import { OwedUnlocks } from '../../../../client/fs/locks/owed-unlocks.js'
import { RemoteError } from '../../../../client/remote-error.js'
import { LOCK_END, type LockRange } from '../../../../server/wire/locks.js'
import { caller, O_RDONLY, ROOT } from '../kernel-calls.js'
import { type Machine, world } from '../local-mount.js'

const range: LockRange = { space: 'flock', owner: 'o', start: 0, end: 1 }

describe('unlocks the server has not heard of', () => {
  it('stay owed when the server is away in their midst, in their order', async () => {
    const heard: number[] = []
    let isAway = true
    const owed = new OwedUnlocks({
      unlock: async (ino) => {
        if (isAway && ino === 2) throw new Error('away')
        heard.push(ino)
      },
    })
    for (const ino of [1, 2, 3]) owed.owe({ ino, range })
    expect(await owed.tell().catch((error: Error) => error.message)).to.equal('away')
    expect(owed.isEmpty).to.equal(false)
    isAway = false
    await owed.tell()
    expect(heard).to.deep.equal([1, 2, 3])
    expect(owed.isEmpty).to.equal(true)
  })

  it('are told for one inode behind those that are on their way, and each once', async () => {
    const heard: number[] = []
    let arrive = () => {}
    const owed = new OwedUnlocks({
      unlock: (ino) =>
        new Promise<void>((resolve) => {
          arrive = () => {
            heard.push(ino)
            resolve()
          }
        }),
    })
    owed.owe({ ino: 1, range })
    const all = owed.tell()
    let isTold = false
    const one = owed.tell(1).then(() => {
      isTold = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isTold).to.equal(false)
    arrive()
    await Promise.all([all, one])
    expect(heard).to.deep.equal([1])
  })

  it('are told before the next lock of the file, which they would end', async () => {
    const earth = await world()
    const here = await earth.machine({}, 'told, with locks')
    const there = await earth.machine({}, 'told, with locks')
    await here.calls.store(ROOT, 'f', 'x')
    const wanted = { space: 'flock', start: 0, end: LOCK_END, pid: 1 } as const
    const opened = async (machine: Machine, owner: string) => {
      const { node } = await machine.calls.walk('f')
      const { handle } = await machine.fs.open(node, O_RDONLY, caller)
      return async (type: 'read' | 'none') =>
        machine.fs.setlk?.(node, handle, { ...wanted, owner, type }, 'at once', caller)
    }
    // So the server decides about the file, and neither machine.
    await (await opened(there, 'b'))('read')
    const ours = await opened(here, 'a')
    await ours('read')
    here.fault.next = () => new RemoteError('EIO', 'no network')
    await ours('none')
    const asked: string[] = []
    here.fault.next = (operation) => {
      asked.push(operation)
      return undefined
    }
    await ours('read')
    expect(asked).to.deep.equal(['unlock', 'lock'])
    await earth.close()
  })
})
