import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'
import { type Program, program, refused } from './locking-program.js'

describe('a lock that the server gives, and of whose file no news come', () => {
  let earth: World
  let here: Machine
  let ours: Program
  let theirs: Program

  beforeEach(async () => {
    let there: Machine
    ;({ earth, here, there } = await twoMachines('told, with locks'))
    await here.calls.store(ROOT, 'f', 'x')
    ours = await program(here, O_RDWR, 'posix')
    theirs = await program(there, O_RDWR, 'posix')
    // so the server decides
    await (await program(there)).share()
  })
  afterEach(() => earth.close())

  /** Our stream of changes tells no more, and there is something to tell. */
  async function quiet(): Promise<void> {
    here.fault.quiet = new Promise(() => {})
    await theirs.write('y')
    await theirs.sync()
  }

  /** After all the time that it waits for news. */
  async function refusedInTheEnd(locked: () => Promise<unknown>): Promise<unknown> {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      let isOver = false
      const refusal = refused(locked()).finally(() => {
        isOver = true
      })
      while (!isOver) {
        await setImmediate()
        mock.timers.tick(100)
      }
      return await refusal
    } finally {
      mock.timers.reset()
    }
  }

  it('is held by nobody', async () => {
    await quiet()
    expect(await refusedInTheEnd(ours.share)).to.equal('ENOLCK')
    expect(await refused(theirs.lock())).to.equal('nothing was refused')
  })

  it('leaves the one that its program had before', async () => {
    await ours.share()
    await quiet()
    expect(await refusedInTheEnd(ours.lock)).to.equal('ENOLCK')
    expect(await refused(theirs.share())).to.equal('nothing was refused')
    expect(await refused(theirs.lock())).to.equal('EAGAIN')
    await ours.unlock()
    expect(await refused(theirs.lock())).to.equal('nothing was refused')
  })
})
