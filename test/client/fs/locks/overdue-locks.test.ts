import { expect } from 'chai'
import { RemoteError } from '../../../../client/remote-error.js'
import { LOCK_TIMES } from '../../../../server/locks/requests.js'
import { caller, O_RDONLY, O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'
import { type Program, program, refused, takenBy } from './locking-program.js'

/** A machine that was away for longer than its lease: another one may have had the lock meanwhile. */
describe('a lock that may be lost', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines('told, with locks'))
    await here.calls.store(ROOT, 'f', 'before')
  })
  afterEach(() => earth.close())

  const takenElsewhere = (text: string) => takenBy(there, earth, text)

  it('lets nobody read what was written under the next one, as if it were from under this one', async () => {
    const ours = await program(here)
    await ours.lock()
    await takenElsewhere('theirs')
    expect(await refused(ours.read())).to.equal('EIO')
  })

  it('is kept where nobody else took it: what is read is right', async () => {
    const ours = await program(here)
    await ours.lock()
    earth.pass(10 * LOCK_TIMES.leaseMilliseconds)
    expect(await ours.read()).to.equal('before')
    await ours.write('ours')
    await ours.close()
    expect(await there.calls.text((await there.calls.walk('f')).node)).to.equal('oursre')
  })

  it('takes with it a write that comes to a server which has started again, and given the lock to others since', async () => {
    const ours = await program(here)
    await ours.lock()
    await ours.write('ours')
    let come = () => {}
    const sent = new Promise<void>((resolve) => {
      here.fault.before = (operation) => {
        if (operation !== 'write') return undefined
        resolve()
        return new Promise((arrived) => {
          come = arrived
        })
      }
    })
    const closed = refused(ours.close())
    await sent
    const cut = new RemoteError('EIO', 'no network')
    here.fault.next = (operation) => (operation === 'write' ? undefined : cut)
    earth.restart()
    earth.pass(LOCK_TIMES.graceMilliseconds)
    const theirs = await program(there)
    await theirs.lock()
    await theirs.write('theirs')
    await theirs.flush()
    delete here.fault.before
    come()
    expect(await closed).to.equal('ESTALE')
    expect(await there.calls.text(theirs.node)).to.equal('theirs')
  })

  it('is kept while the server does not hear that another one was let go', async () => {
    await here.calls.store(ROOT, 'g', 'x')
    const other = await program(here, O_RDWR, 'flock', 'g')
    await other.lock()
    const asked = new Promise<void>((resolve) => {
      here.fault.before = async (operation) => {
        if (operation === 'returnLocks') resolve()
      }
    })
    const theirs = await program(there, O_RDWR, 'flock', 'g')
    await Promise.all([refused(theirs.lock()), asked])
    const ours = await program(here)
    await ours.lock()
    here.fault.next = (operation) =>
      operation === 'unlock' ? new RemoteError('EIO', 'no answer') : undefined
    await other.unlock()
    await ours.write('ours')
    earth.pass(LOCK_TIMES.leaseMilliseconds)
    expect(await refused(ours.flush())).to.equal('nothing was refused')
  })

  it('is asked about, and what has to wait for the answer is late: it opens nothing that was closed since', async () => {
    const ours = await program(here)
    await ours.lock()
    await here.fs.setattr(ours.node, { mode: 0o666 }, undefined, caller)
    await ours.write('ours')
    earth.pass(LOCK_TIMES.leaseMilliseconds)
    here.fault.next = () => new RemoteError('EIO', 'no network')
    expect(await refused(ours.flush())).to.equal('EIO')
    const { node } = await there.calls.walk('f')
    await there.fs.setattr(node, { mode: 0o600 }, undefined, caller)
    await there.calls.store(ROOT, 'f', 'theirs')
    delete here.fault.next
    await ours.close()
    expect((await here.files.lookup(ROOT, 'f')).mode & 0o777).to.equal(0o600)
    expect(here.fs.conflicts().overwritten).to.equal(1)
  })

  it('cannot be made an exclusive one', async () => {
    const ours = await program(here)
    await ours.share()
    await takenElsewhere('theirs')
    expect(await refused(ours.lock())).to.equal('EIO')
  })

  it('is asked about with the attributes of its file, too', async () => {
    const ours = await program(here)
    await ours.lock()
    await takenElsewhere('theirs, and longer')
    await here.calls.stat(ours.node)
    expect(await refused(ours.write('ours'))).to.equal('EIO')
  })

  it('is not asked about while the server is away and a journal lets programs go on: nothing new is heard', async () => {
    let isAway = false
    here = await earth.machine({}, 'told, with locks', { isAway: () => isAway })
    const ours = await program(here)
    await ours.lock()
    isAway = true
    here.fault.next = (operation) =>
      operation === 'renewLocks' ? new RemoteError('EIO', 'no network') : undefined
    await takenElsewhere('theirs')
    expect((await here.calls.stat(ours.node)).size).to.equal(6)
    isAway = false
    delete here.fault.next
    expect(await refused(ours.read())).to.equal('EIO')
  })

  const uses: [what: string, use: (ours: Program) => Promise<unknown>][] = [
    ['read(2)', (ours) => ours.read()],
    ['write(2)', (ours) => ours.write('ours')],
    ['ftruncate(2)', (ours) => ours.cut()],
    ['another lock', (ours) => ours.lock()],
    ['fsync(2)', (ours) => ours.sync()],
    ['close(2)', (ours) => ours.flush()],
    ['the size that a read at the end asks for', (ours) => ours.size()],
  ]
  for (const [what, use] of uses) {
    it(`refuses ${what} from then on`, async () => {
      const ours = await program(here)
      await ours.lock()
      await takenElsewhere('theirs')
      await refused(ours.read())
      expect(await refused(use(ours))).to.equal('EIO')
    })
  }

  it('is lost for all who have the file open: a process reads through one descriptor and locks through another', async () => {
    const [ours, same] = [await program(here, O_RDWR, 'posix'), await program(here, O_RDONLY)]
    await ours.lock()
    await takenElsewhere('theirs')
    expect(await refused(same.read())).to.equal('EIO')
  })

  it('has the kernel keep neither size nor pages for who opens the file later', async () => {
    const ours = await program(here)
    await ours.lock()
    await takenElsewhere('theirs')
    await refused(ours.read())
    expect((await here.calls.stat(ours.node)).validMilliseconds).to.equal(0)
    const later = await program(here)
    here.invalidated.splice(0)
    expect(await later.read()).to.equal('theirs')
    expect(here.invalidated).to.include(`inode ${ours.node} 0`)
    await refused(ours.close())
    expect((await here.calls.stat(ours.node)).validMilliseconds).to.be.greaterThan(0)
  })

  describe('though its program has let go of it', () => {
    /** From here on the stream of changes tells. */
    let tell = () => {}

    /** Written under the lock, and not sent before the lease is over; nothing is heard of others. */
    async function unsent(): Promise<Program> {
      const ours = await program(here)
      await ours.lock()
      here.fault.quiet = new Promise((resolve) => {
        tell = resolve
      })
      await ours.write('ours')
      await ours.unlock()
      return ours
    }
    const content = async () => there.calls.text((await there.calls.walk('f')).node)

    it('takes with it what is unsent, where others have written since', async () => {
      const ours = await unsent()
      await takenElsewhere('theirs')
      expect(await refused(ours.sync())).to.equal('EIO')
      await refused(ours.close())
      expect(await content()).to.equal('theirs')
    })

    it('takes it also where another program wants the lock before it is sent', async () => {
      const ours = await unsent()
      await takenElsewhere('theirs')
      const next = await program(here)
      const locked = refused(next.lock())
      tell()
      await locked
      expect(await refused(ours.close())).to.equal('EIO')
      await refused(next.close())
      expect(await content()).to.equal('theirs')
    })

    it('takes it also where another one has the lock, and will write', async () => {
      const ours = await unsent()
      earth.pass(LOCK_TIMES.leaseMilliseconds)
      const theirs = await program(there)
      await theirs.lock()
      expect(await refused(ours.close())).to.equal('EIO')
      expect(await theirs.read()).to.equal('before')
    })

    it('takes it where another one has removed the file, and no other lock of the mount with it', async () => {
      await here.calls.store(ROOT, 'g', 'x')
      const ours = await unsent()
      const other = await program(here, O_RDWR, 'flock', 'g')
      await takenElsewhere('theirs')
      await there.fs.unlink(ROOT, 'f', caller)
      const locked = refused(other.lock())
      tell()
      expect(await locked).to.equal('nothing was refused')
      expect(await refused(ours.close())).to.equal('EIO')
      await refused(other.close())
    })

    it('leaves what has come to the server, though its answer was lost', async () => {
      await here.calls.store(ROOT, 'g', 'x')
      const other = await program(here, O_RDWR, 'flock', 'g')
      await other.lock()
      const ours = await unsent()
      here.fault.answer = (operation) =>
        operation === 'write' ? Promise.reject(new RemoteError('EIO', 'no answer')) : undefined
      expect(await refused(ours.flush())).to.equal('EIO')
      delete here.fault.answer
      earth.pass(LOCK_TIMES.leaseMilliseconds)
      const theirs = await program(there, O_RDWR, 'flock', 'g')
      await theirs.lock()
      await ours.close()
      expect(await content()).to.equal('oursre')
    })

    it('leaves what is unsent where others wanted another file', async () => {
      await here.calls.store(ROOT, 'g', 'x')
      const other = await program(here, O_RDWR, 'flock', 'g')
      await other.lock()
      const ours = await unsent()
      earth.pass(LOCK_TIMES.leaseMilliseconds)
      const theirs = await program(there, O_RDWR, 'flock', 'g')
      await theirs.lock()
      await ours.close()
      expect(await content()).to.equal('oursre')
      expect(await refused(other.close())).to.equal('EIO')
    })

    it('keeps nothing from being written that is so long that its parts are sent ahead', async () => {
      await here.calls.store(ROOT, 'g', 'x')
      const other = await program(here, O_RDWR, 'flock', 'g')
      await other.lock()
      const ours = await unsent()
      earth.pass(LOCK_TIMES.leaseMilliseconds)
      const theirs = await program(there, O_RDWR, 'flock', 'g')
      await theirs.lock()
      const part = 'x'.repeat(1 << 20)
      for (let at = 0; at < 16; at += 1) await ours.write(part, at * part.length)
      await ours.close()
      const { ino } = await there.files.lookup(ROOT, 'f')
      const { data } = await there.files.read(ino, 0, 16 * part.length)
      expect(data.equals(Buffer.from(part.repeat(16)))).to.equal(true)
      expect(await refused(other.close())).to.equal('EIO')
    })
  })
})
