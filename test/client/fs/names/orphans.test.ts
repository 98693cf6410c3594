import { expect } from 'chai'
import { RemoteError } from '../../../../client/remote-error.js'
import { until } from '../../../support/until.js'
import { caller, O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, type World, world } from '../local-mount.js'
import { refused } from '../locks/locking-program.js'

/** The server keeps it until it hears that it is closed, or a day long. */
describe('a file that loses its last name here', () => {
  let earth: World
  let here: Machine
  let there: Machine
  beforeEach(async () => {
    earth = await world()
    here = await earth.machine({}, 'told')
    there = await earth.machine()
  })
  afterEach(() => earth.close())

  async function written(): Promise<{ ino: number; close: () => Promise<void> }> {
    const { fs, calls } = here
    const { node, attributes } = await calls.store(ROOT, 'f', 'content')
    const { handle } = await fs.open(node, O_RDWR, caller)
    await fs.write(node, handle, 0, Buffer.from('C'), caller)
    return { ino: attributes.ino, close: async () => fs.release(node, handle, caller) }
  }

  it('is released if it was closed and could not be sent', async () => {
    const { fs, requests, fault } = here
    const { ino, close } = await written()
    fault.next = (operation) =>
      operation === 'write' ? new RemoteError('EIO', 'no answer') : undefined
    await close()
    delete fault.next
    expect(fs.pending().files).to.equal(1)
    await fs.unlink(ROOT, 'f', caller)
    expect(requests.made.at(-1)).to.equal(`release ${ino}`)
    expect(fs.pending()).to.deep.equal({ bytes: 0, files: 0 })
  })

  it('is released, too, if it is just being sent after its last close', async () => {
    const { fs, requests, fault } = here
    const { ino, close } = await written()
    let send = (): void => {}
    fault.before = (operation) =>
      operation === 'write' ? new Promise((resolve) => (send = () => resolve())) : undefined
    const closed = close()
    await until('it is being sent', async () => requests.count('write') === 1)
    const removed = fs.unlink(ROOT, 'f', caller)
    await until('it is removed', async () => (await there.calls.list(ROOT)).length === 0)
    send()
    await Promise.all([closed, removed])
    expect(requests.count('release')).to.equal(1)
    expect(requests.made).to.include(`release ${ino}`)
  })

  it('is kept if another takes its name, though the names of the directory were forgotten', async () => {
    const { fs, calls } = here
    const { node } = await calls.store(ROOT, 'f', 'content')
    await calls.store(ROOT, 'other', 'x')
    const full = await fs.mkdir(ROOT, 'full', 0o755, caller)
    await fs.mkdir(full.node, 'x', 0o755, caller)
    await fs.mkdir(ROOT, 'd', 0o755, caller)
    const { handle } = await fs.open(node, O_RDWR, caller)
    // After a refusal what is believed of the directory may be what was wrong.
    expect(await refused(fs.rename(ROOT, 'd', ROOT, 'full', 0, caller))).to.equal('ENOTEMPTY')
    await fs.rename(ROOT, 'other', ROOT, 'f', 0, caller)
    expect(String(await fs.read(node, handle, 0, 100, caller))).to.equal('content')
    expect((await calls.stat(node)).nlink).to.equal(0)
  })

  /** Lets an operation on the server wait. */
  function held(operation: string): { letGo: () => void } {
    const hold = { letGo: () => {} }
    const gate = new Promise<void>((resolve) => {
      hold.letGo = resolve
    })
    here.fault.before = (asked) => (asked === operation ? gate : undefined)
    return hold
  }

  for (const way of ['rename', 'remove'] as const) {
    const goes = ({ fs }: Machine) =>
      way === 'rename'
        ? fs.rename(ROOT, 'other', ROOT, 'f', 0, caller)
        : fs.unlink(ROOT, 'f', caller)

    it(`is opened as long as it is there, and not while it goes (${way})`, async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'content')
      await here.calls.store(ROOT, 'other', 'x')
      const hold = held(way)
      const gone = goes(here)
      await until('the server is asked', async () => here.requests.count(way) === 1)
      const opened = refused(Promise.resolve(here.fs.open(node, O_RDWR, caller)))
      hold.letGo()
      await gone
      // The kernel then asks what has the name now.
      expect(await opened).to.equal('ESTALE')
    })

    it(`stays, if it was just being opened (${way})`, async () => {
      const { node } = await there.calls.store(ROOT, 'f', 'content')
      await there.calls.store(ROOT, 'other', 'x')
      here = await earth.machine()
      await here.calls.list(ROOT)
      await here.calls.lookup(ROOT, 'f')
      await here.calls.lookup(ROOT, 'other')
      earth.pass(10_000)
      const hold = held('stat')
      const opening = Promise.resolve(here.fs.open(node, O_RDWR, caller))
      await until('the server is asked', async () => here.requests.count('stat') === 1)
      const gone = goes(here)
      await until('it has gone', async () => here.requests.count(way) === 1)
      hold.letGo()
      await gone
      const { handle } = await opening
      expect(String(await here.fs.read(node, handle, 0, 100, caller))).to.equal('content')
    })
  }

  it('is given up with the mount, and counts as nothing lost', async () => {
    const { fs, calls, requests } = here
    const { node } = await calls.store(ROOT, 'f', 'content')
    const { handle } = await fs.open(node, O_RDWR, caller)
    await fs.unlink(ROOT, 'f', caller)
    await fs.write(node, handle, 0, Buffer.from('C'), caller)
    await fs.destroy?.()
    expect(fs.pending()).to.deep.equal({ bytes: 0, files: 0 })
    expect(requests.count('release')).to.equal(1)
    await fs.release(node, handle, caller)
    expect(requests.count('release')).to.equal(1)
  })
})
