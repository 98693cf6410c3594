import { expect } from 'chai'
import { RemoteError } from '../../../../client/remote-error.js'
import { LOCK_TIMES } from '../../../../server/locks/requests.js'
import { LOCK_END } from '../../../../server/wire/locks.js'
import { until } from '../../../support/until.js'
import { caller, O_EXCL, O_RDONLY, O_WRONLY, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'

const EXCLUSIVE = O_WRONLY | O_EXCL

/** Machines that mount one tree, with a server that gives leases of directories' names. */
describe('the mount with a lease of names', () => {
  let earth: World
  let here: Machine
  let there: Machine
  /** A directory whose names are for `here` to give. */
  let directory: number

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines('told, with locks'))
    directory = (await here.fs.mkdir(ROOT, 'd', 0o755, caller)).node
    for (const name of ['1', '2', '3']) await here.calls.store(directory, name, name, EXCLUSIVE)
    here.requests.clear()
  })
  afterEach(() => earth.close())

  const elsewhere = async () => (await there.calls.walk('d')).node
  const exclusive = (machine: Machine, parent: number, name: string) =>
    Promise.resolve(machine.calls.create(parent, name, EXCLUSIVE))

  async function write({ fs }: Machine, file: { node: number; handle: number }, text: string) {
    await fs.write(file.node, file.handle, 0, Buffer.from(text), caller)
  }

  async function close({ fs }: Machine, { node, handle }: { node: number; handle: number }) {
    try {
      await fs.flush(node, handle, caller)
    } finally {
      await fs.release(node, handle, caller)
    }
  }

  async function refused(work: Promise<unknown>): Promise<unknown> {
    try {
      await work
    } catch (error) {
      return (error as { code?: unknown }).code
    }
    throw new Error('nothing was refused')
  }

  /** As tar makes files: owner, mode and times are set before the file is closed. */
  it('makes a file of O_EXCL with one request, and all that is set before close(2) with it', async () => {
    const file = await exclusive(here, directory, 'f')
    expect(here.requests.made).to.deep.equal([])
    await write(here, file, 'content')
    const changes = { mode: 0o100600, mtime: 1_000_000_000_000_000_000n }
    await here.fs.setattr(file.node, changes, file.handle, caller)
    await close(here, file)
    expect(here.requests.made).to.deep.equal(['put f'])
    const { node, attributes } = await there.calls.walk('d/f')
    expect(await there.calls.text(node)).to.equal('content')
    expect(attributes.mode & 0o7777).to.equal(0o600)
    expect(attributes.mtime).to.deep.equal({ seconds: 1e9, nanoseconds: 0 })
  })

  it('is not waited for by who makes a file until the kernel has dropped names of that directory, which waits for the file', async () => {
    here.fault.settled = () => new Promise(() => {})
    await there.calls.store(ROOT, 'elsewhere', 'x')
    for (const name of ['a', 'b', 'c']) await here.calls.store(ROOT, name, name, EXCLUSIVE)
    expect(await here.calls.text((await here.calls.walk('c')).node)).to.equal('c')
  })

  it('has it from the first file on in a directory made by who uses O_EXCL', async () => {
    const { node } = await here.fs.mkdir(directory, 'sub', 0o755, caller)
    here.requests.clear()
    await here.calls.store(node, 'first', 'x', EXCLUSIVE)
    expect(here.requests.made).to.deep.equal(['put first'])
  })

  it('has it with the answer to mkdir(2)', async () => {
    const { node } = await here.fs.mkdir(directory, 'sub', 0o755, caller)
    const created = here.calls.create(node, 'first', EXCLUSIVE)
    expect(created).not.to.be.instanceOf(Promise)
    await close(here, await created)
    expect(await there.calls.list((await there.calls.walk('d/sub')).node)).to.deep.equal(['first'])
  })

  it('does not have it if others wanted it before the answer came', async () => {
    here.fault.answer = async (operation) => {
      if (operation !== 'lease') return
      const { node } = await there.calls.walk('d/sub')
      await there.calls.store(node, 'theirs', 'x', EXCLUSIVE)
    }
    const { node } = await here.fs.mkdir(directory, 'sub', 0o755, caller)
    expect(await here.calls.list(node)).to.deep.equal(['theirs'])
    here.requests.clear()
    await close(here, await exclusive(here, node, 'ours'))
    expect(here.requests.made).to.deep.equal(['make ours'])
  })

  it('does not have it if the server took all from this machine, which claimed it anew, before the answer came', async () => {
    await here.calls.store(ROOT, 'f', 'x')
    const opened = async (machine: Machine, owner: string) => {
      const { node } = await machine.calls.walk('f')
      const { handle } = await machine.fs.open(node, O_RDONLY, caller)
      const wanted = { space: 'posix', start: 0, end: LOCK_END, pid: 1, owner } as const
      return async (type: 'read' | 'write') =>
        machine.fs.setlk?.(node, handle, { ...wanted, type }, 'at once', caller)
    }
    const [ours, theirs] = [await opened(here, 'a'), await opened(there, 'b')]
    await ours('read')
    here.fault.answer = async (operation) => {
      if (operation !== 'lease') return
      earth.pass(LOCK_TIMES.leaseMilliseconds)
      await theirs('write')
      await refused(Promise.resolve(ours('read')))
    }
    const { node } = await here.fs.mkdir(directory, 'sub', 0o755, caller)
    const sub = (await there.calls.walk('d/sub')).node
    const made = [exclusive(here, node, 'x'), exclusive(there, sub, 'x')]
    const outcomes = (await Promise.allSettled(made)).map(({ status }) => status)
    expect(outcomes.sort()).to.deep.equal(['fulfilled', 'rejected'])
  })

  it('knows of names that came there before the lease', async () => {
    let brought: Promise<unknown> | undefined
    let tell = () => {}
    here.fault.quiet = new Promise((resolve) => {
      tell = resolve
    })
    here.fault.next = (operation, ino) => {
      if (operation === 'lock' && ino !== undefined) {
        const attributes = { mode: 0o644, uid: 0, gid: 0 }
        brought ??= there.files.make(ino, 'first', { type: 'file' }, attributes)
      }
      return undefined
    }
    const { node } = await here.fs.mkdir(directory, 'sub', 0o755, caller)
    const first = refused(exclusive(here, node, 'first'))
    // The kernel's next request: until then nothing has told of the name.
    setImmediate(tell)
    expect(await first).to.equal('EEXIST')
    await brought
  })

  it('waits for no news of a directory that is as it was made', async () => {
    here.fault.quiet = new Promise(() => {})
    const { node } = await here.fs.mkdir(directory, 'sub', 0o755, caller)
    here.requests.clear()
    await here.calls.store(node, 'first', 'x', EXCLUSIVE)
    expect(here.requests.made).to.deep.equal(['put first'])
  })

  it('does not have it where O_EXCL is not used', async () => {
    earth.pass(60_000)
    const { node } = await here.fs.mkdir(ROOT, 'plain', 0o755, caller)
    await here.calls.store(node, 'f', 'x')
    here.requests.clear()
    await here.calls.store(node, 'g', 'x', EXCLUSIVE)
    expect(here.requests.made[0]).to.equal('make g')
  })

  it('refuses the same name to another machine, which waits until the file is sent', async () => {
    const file = await exclusive(here, directory, 'lock')
    await write(here, file, 'mine')
    expect(await refused(exclusive(there, await elsewhere(), 'lock'))).to.equal('EEXIST')
    const { node } = await there.calls.walk('d/lock')
    expect(await there.calls.text(node)).to.equal('mine')
    await close(here, file)
  })

  it('refuses a name that another machine made just before', async () => {
    const parent = await elsewhere()
    await close(there, await exclusive(there, parent, 'theirs'))
    expect(await refused(exclusive(here, directory, 'theirs'))).to.equal('EEXIST')
  })

  for (const [what, come] of [
    ['mkdir', (parent: number) => there.fs.mkdir(parent, 'x', 0o755, caller)],
    ['symlink', (parent: number) => there.fs.symlink(parent, 'x', 'target', caller)],
  ] as const) {
    it(`refuses it to ${what} of another machine`, async () => {
      const file = await exclusive(here, directory, 'x')
      expect(await refused(come(await elsewhere()))).to.equal('EEXIST')
      await close(here, file)
    })
  }

  it('lets another machine rename over the file, after it came', async () => {
    const file = await exclusive(here, directory, 'x')
    await write(here, file, 'mine')
    const theirs = await there.calls.store(ROOT, 'theirs', 'theirs')
    await there.fs.rename(ROOT, 'theirs', await elsewhere(), 'x', 0, caller)
    await close(here, file)
    expect((await there.calls.walk('d/x')).node).to.equal(theirs.node)
    expect(await there.calls.text(theirs.node)).to.equal('theirs')
  })

  it('gives each of many names to one of two machines that run for them', async () => {
    const parent = await elsewhere()
    const names = Array.from({ length: 60 }, (_, index) => `n${index}`)
    const run = async (machine: Machine, node: number) => {
      const won: string[] = []
      for (const name of names) {
        try {
          const file = await exclusive(machine, node, name)
          await write(machine, file, name)
          await close(machine, file)
          won.push(name)
        } catch (error) {
          expect((error as { code?: unknown }).code).to.equal('EEXIST')
        }
      }
      return won
    }
    const [ours, theirs] = await Promise.all([run(here, directory), run(there, parent)])
    expect([...ours, ...theirs].sort()).to.deep.equal([...names].sort())
  })

  it('is given back when it is not used, and had again', async () => {
    let isGivenBack = false
    here.fault.next = (operation) => {
      isGivenBack ||= operation === 'returnLocks'
      return undefined
    }
    earth.pass(6_000)
    await until('the lease is given back', async () => isGivenBack)
    await here.calls.store(directory, 'f', 'x', EXCLUSIVE)
    await here.calls.store(directory, 'g', 'x', EXCLUSIVE)
    here.requests.clear()
    await here.calls.store(directory, 'h', 'x', EXCLUSIVE)
    expect(here.requests.made).to.deep.equal(['put h'])
  })

  describe('when this machine is cut off', () => {
    const cut = () => new RemoteError('EIO', 'no network')

    it('lets others wait for the time of a lease; then the name is theirs, and close(2) says so', async () => {
      const file = await exclusive(here, directory, 'x')
      await write(here, file, 'mine')
      here.fault.next = cut
      const theirs = exclusive(there, await elsewhere(), 'x')
      let isHad = false
      void theirs.then(() => {
        isHad = true
      })
      earth.pass(LOCK_TIMES.leaseMilliseconds - 1)
      await new Promise((resolve) => setImmediate(resolve))
      expect(isHad).to.equal(false)
      earth.pass(1)
      const won = await theirs
      await write(there, won, 'theirs')
      await close(there, won)
      delete here.fault.next
      expect(await refused(close(here, file))).to.equal('ESTALE')
      expect(await there.calls.text((await there.calls.walk('d/x')).node)).to.equal('theirs')
    })
  })

  describe('when the server starts again', () => {
    it('nobody gets a name before those are sent that were given', async () => {
      const parent = await elsewhere()
      const file = await exclusive(here, directory, 'x')
      await write(here, file, 'mine')
      earth.restart()
      expect(await refused(exclusive(there, parent, 'x'))).to.equal('EEXIST')
      await close(here, file)
      expect(await there.calls.text((await there.calls.walk('d/x')).node)).to.equal('mine')
    })

    it('two machines with leases of one another go on', async () => {
      const other = (await there.fs.mkdir(ROOT, 'other', 0o755, caller)).node
      for (const name of ['1', '2', '3']) await there.calls.store(other, name, name, EXCLUSIVE)
      const [mine, theirs] = [
        await exclusive(here, directory, 'x'),
        await exclusive(there, other, 'x'),
      ]
      earth.restart()
      const there2 = (await here.calls.walk('other')).node
      const codes = [
        refused(exclusive(here, there2, 'x')),
        refused(exclusive(there, await elsewhere(), 'x')),
      ]
      expect(await Promise.all(codes)).to.deep.equal(['EEXIST', 'EEXIST'])
      await close(here, mine)
      await close(there, theirs)
    })
  })
})
