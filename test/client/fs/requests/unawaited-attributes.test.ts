import { expect } from 'chai'
import { RemoteError } from '../../../../client/remote-error.js'
import { until } from '../../../support/until.js'
import { caller, O_RDONLY, O_WRONLY, ROOT } from '../kernel-calls.js'
import { type Machine, type World, world } from '../local-mount.js'

const HOUR = 3_600_000_000_000n

describe('setting attributes', () => {
  let earth: World
  let here: Machine
  let there: Machine
  let logged: string[]
  let letGo: () => void

  beforeEach(async () => {
    earth = await world()
    logged = []
    const log = (message: string) => logged.push(message)
    here = await earth.machine({ log }, 'told', { keepsOrder: true })
    there = await earth.machine()
    await here.fs.statfs(ROOT, caller)
    for (const name of ['first', 'a', 'b']) await here.calls.store(ROOT, name, 'x')
    await here.fs.mkdir(ROOT, 'd', 0o755, caller)
    // the first one shows that this login may
    await set('first', { mode: 0o600 })
    here.requests.clear()
  })
  afterEach(() => {
    letGo?.()
    return earth.close()
  })

  const node = async (name: string) => (await here.calls.lookup(ROOT, name)).node
  const set = async (name: string, changes: Parameters<typeof here.fs.setattr>[1]) =>
    here.fs.setattr(await node(name), changes, undefined, caller)
  /** What the server has. */
  const stored = async (name: string) => (await there.calls.walk(name)).attributes
  async function turns(): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  }
  /** Holds answers of the server, or what it is asked, until the test lets go. */
  function held(what: 'answer' | 'before', operation = 'setAttributes'): void {
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    here.fault[what] = (asked) => (asked === operation ? gate : undefined)
  }

  it('lets nobody wait for the server where nothing stands against it', async () => {
    held('answer')
    expect((await set('a', { mode: 0o640 })).mode & 0o777).to.equal(0o640)
    expect((await set('a', { mtime: HOUR })).mtime).to.deep.equal({ seconds: 3600, nanoseconds: 0 })
    expect((await set('d', { mode: 0o700, mtime: HOUR })).mode & 0o777).to.equal(0o700)
    expect(here.fs.pending().files).to.equal(3)
    letGo()
    await here.fs.drain()
    expect(here.fs.pending().files).to.equal(0)
    const a = await stored('a')
    expect([a.mode & 0o777, a.mtime.seconds]).to.deep.equal([0o640, 3600])
    expect((await stored('d')).mode & 0o777).to.equal(0o700)
  })

  it('sends it before what is changed next, which need not wait for the answer either', async () => {
    held('answer')
    const file = await node('a')
    await here.calls.lookup(ROOT, 'c')
    here.requests.clear()
    for (const changes of [{ mtime: HOUR }, { mode: 0o640 }])
      await here.fs.setattr(file, changes, undefined, caller)
    const renamed = here.fs.rename(ROOT, 'a', ROOT, 'c', 0, caller)
    await turns()
    expect(here.requests.made.map((request) => request.split(' ')[0])).to.deep.equal([
      'setAttributes',
      'setAttributes',
      'rename',
    ])
    letGo()
    await renamed
    expect((await stored('c')).mode & 0o777).to.equal(0o640)
  })

  it('keeps its place among removals', async () => {
    await here.fs.unlink(ROOT, 'first', caller)
    await here.fs.drain()
    here.requests.clear()
    held('answer')
    await set('a', { mode: 0o600 })
    await here.fs.unlink(ROOT, 'a', caller)
    await set('b', { mode: 0o600 })
    letGo()
    await here.fs.drain()
    const asked = here.requests.made.map((request) => request.split(' ')[0])
    expect(asked).to.deep.equal(['setAttributes', 'removeAll', 'remove', 'setAttributes'])
  })

  it('shows it at once, and in the end the times that the server gave it', async () => {
    held('answer')
    const [file, directory] = [await node('a'), await node('d')]
    for (const each of [file, directory])
      await here.fs.setattr(each, { mode: 0o700, mtime: HOUR }, undefined, caller)
    here.requests.clear()
    for (const each of [file, directory]) {
      const { mode, mtime } = await here.calls.stat(each)
      expect([mode & 0o777, mtime.seconds]).to.deep.equal([0o700, 3600])
    }
    letGo()
    await here.fs.drain()
    expect(here.invalidated).to.include(`inode ${directory} -1`)
    for (const name of ['a', 'd']) {
      const { ctime } = await here.calls.stat(await node(name))
      expect(ctime).to.deep.equal((await stored(name)).ctime)
    }
    expect(here.requests.count('stat')).to.equal(0)
  })

  it('tells a time that is the clock of the server once that has told it', async () => {
    held('answer')
    const file = await node('a')
    await here.fs.setattr(file, { mtime: 'now' }, undefined, caller)
    let isTold = false
    const told = Promise.resolve(here.calls.stat(file)).then((is) => {
      isTold = true
      return is
    })
    await turns()
    expect(isTold).to.equal(false)
    letGo()
    expect((await told).mtime).to.deep.equal((await stored('a')).mtime)
  })

  it('has nothing kept of a directory whose time is the clock of the server', async () => {
    held('answer')
    const { validMilliseconds } = await set('d', { mtime: 'now' })
    expect(validMilliseconds).to.equal(0)
    letGo()
    await here.fs.drain()
  })

  it('leaves known what was answered after it', async () => {
    const file = await node('a')
    await here.calls.lookup(ROOT, 'c')
    held('answer')
    await here.fs.setattr(file, { mtime: HOUR }, undefined, caller)
    const renamed = here.fs.rename(ROOT, 'a', ROOT, 'c', 0, caller)
    await turns()
    letGo()
    await renamed
    here.requests.clear()
    const { ctime } = await here.calls.stat(file)
    expect(here.requests.made).to.deep.equal([])
    expect(ctime).to.deep.equal((await stored('c')).ctime)
  })

  it('shows nothing older, and has the kernel believe nothing meanwhile', async () => {
    await there.calls.store(ROOT, 'other', 'x')
    const file = await node('other')
    const { handle } = await here.fs.open(file, O_RDONLY, caller)
    held('before')
    await here.fs.setattr(file, { mode: 0o640 }, undefined, caller)
    // with the bytes come attributes from before
    await here.fs.read(file, handle, 0, 1, caller)
    const { attributes } = await here.calls.lookup(ROOT, 'other')
    expect(attributes.mode & 0o777).to.equal(0o640)
    expect(attributes.validMilliseconds).to.equal(0)
    letGo()
    await here.fs.release(file, handle, caller)
    await here.fs.drain()
    expect((await here.calls.stat(file)).mode & 0o777).to.equal(0o640)
  })

  it('is waited for by fsync(2)', async () => {
    held('answer')
    const file = await node('a')
    const { handle } = await here.fs.open(file, O_RDONLY, caller)
    await set('a', { mode: 0o640 })
    let isDone = false
    const synced = Promise.resolve(here.fs.fsync(file, handle, false, caller)).then(() => {
      isDone = true
    })
    await turns()
    expect(isDone).to.equal(false)
    letGo()
    await synced
  })

  it('says in the log what was refused for good, shows it as it is, and then waits', async () => {
    const { mode } = await here.calls.stat(await node('a'))
    here.fault.next = (operation) =>
      operation === 'setAttributes' ? new RemoteError('ENOSPC', 'full') : undefined
    await set('a', { mode: 0o640 })
    await here.fs.drain()
    expect(logged.join()).to.include('was refused later')
    expect((await here.calls.stat(await node('a'))).mode).to.equal(mode)
    const refused = await set('a', { mode: 0o640 }).catch((error: RemoteError) => error)
    expect(refused).to.have.property('code', 'ENOSPC')
  })

  it('is reported once by fsync(2), also if it was refused for good', async () => {
    const file = await node('a')
    const { handle } = await here.fs.open(file, O_RDONLY, caller)
    here.fault.next = (operation) =>
      operation === 'setAttributes' ? new RemoteError('ENOSPC', 'full') : undefined
    await here.fs.setattr(file, { mode: 0o640 }, undefined, caller)
    const sync = async () => here.fs.fsync(file, handle, false, caller)
    expect(await sync().catch((error: RemoteError) => error)).to.have.property('code', 'ENOSPC')
    await sync()
  })

  describe('that could not be done because the server was away', () => {
    const away = () => {
      here.fault.next = (operation) =>
        ['setAttributes', 'made'].includes(operation) ? new RemoteError('EIO', 'away') : undefined
    }
    async function back(): Promise<void> {
      delete here.fault.next
      await here.fs.drain()
    }

    it('is done when it is back', async () => {
      const file = await node('a')
      away()
      await Promise.all(
        [{ mtime: HOUR }, { mode: 0o640 }].map((changes) =>
          here.fs.setattr(file, changes, undefined, caller),
        ),
      )
      await until('both were tried', async () => here.fs.pending().files === 1)
      await back()
      const { mode, mtime } = await stored('a')
      expect([mode & 0o777, mtime.seconds]).to.deep.equal([0o640, 3600])
    })

    it('is left as another machine has set it meanwhile', async () => {
      away()
      await set('a', { mode: 0o640 })
      await turns()
      const { node: other } = await there.calls.walk('a')
      await there.fs.setattr(other, { mode: 0o600 }, undefined, caller)
      await back()
      expect((await stored('a')).mode & 0o777).to.equal(0o600)
      expect(here.fs.conflicts().yielded).to.equal(1)
    })

    it('is done when it is back, also where what was set before had just come there', async () => {
      const file = await node('a')
      let asked = 0
      here.fault.next = (operation) =>
        operation === 'setAttributes' && ++asked > 1 ? new RemoteError('EIO', 'away') : undefined
      await Promise.all(
        [0o600, 0o640].map((mode) => here.fs.setattr(file, { mode }, undefined, caller)),
      )
      await until('both were tried', async () => asked === 2)
      await back()
      expect((await stored('a')).mode & 0o777).to.equal(0o640)
      expect(here.fs.conflicts().yielded).to.equal(0)
    })

    it('is not taken for older than it is where the file was written and is still open', async () => {
      const file = await node('a')
      const { handle } = await here.fs.open(file, O_RDONLY, caller)
      const writing = await here.fs.open(file, O_WRONLY, caller)
      await here.fs.write(file, writing.handle, 0, Buffer.from('y'), caller)
      await here.fs.flush(file, writing.handle, caller)
      await here.fs.release(file, writing.handle, caller)
      const { node: other } = await there.calls.walk('a')
      await there.fs.setattr(other, { mode: 0o600 }, undefined, caller)
      await there.calls.store(ROOT, 'a', 'longer')
      await until('it was told', async () => (await here.calls.stat(file)).size === 6)
      away()
      await here.fs.setattr(file, { mode: 0o640 }, undefined, caller)
      await until('it was tried', async () => here.fs.pending().files === 1)
      await turns()
      expect((await here.calls.stat(file)).size).to.equal(6)
      await back()
      expect((await here.calls.stat(file)).mode & 0o777).to.equal(0o640)
      expect(here.fs.conflicts().yielded).to.equal(0)
      await here.fs.release(file, handle, caller)
    })

    it('is not given up for what was set before it of a file that is written', async () => {
      const file = await node('a')
      held('answer')
      await here.fs.setattr(file, { mode: 0o600 }, undefined, caller)
      const { handle } = await here.fs.open(file, O_WRONLY, caller)
      await here.fs.setattr(file, { mode: 0o640 }, undefined, caller)
      await here.fs.write(file, handle, 0, Buffer.from('y'), caller)
      letGo()
      await turns()
      here.fault.next = () => new RemoteError('EIO', 'away')
      await Promise.resolve(here.fs.flush(file, handle, caller)).catch(() => {})
      await back()
      await here.fs.release(file, handle, caller)
      expect((await here.calls.stat(file)).mode & 0o777).to.equal(0o640)
      expect(here.fs.conflicts().yielded).to.equal(0)
    })

    for (const [what, change] of [
      ['a rename', () => here.fs.rename(ROOT, 'a', ROOT, 'c', 0, caller)],
      ['a link', async () => here.fs.link(await node('a'), ROOT, 'c', caller)],
    ] as const) {
      it(`has ${what} fail, too, before others see it as it was`, async () => {
        away()
        await set('a', { mode: 0o600 })
        await until('it was tried', async () => here.fs.pending().files === 1)
        await turns()
        const error = await Promise.resolve(change()).catch((refused: RemoteError) => refused)
        expect(error).to.have.property('code', 'EIO')
        await back()
        await change()
        expect((await stored('c')).mode & 0o777).to.equal(0o600)
      })
    }

    it('is reported by fsync(2)', async () => {
      const file = await node('a')
      const { handle } = await here.fs.open(file, O_RDONLY, caller)
      const directory = await node('d')
      const SYNCS = [
        () => here.fs.fsync(file, handle, false, caller),
        () => here.fs.fsyncdir(directory, 0, caller),
      ]
      away()
      await Promise.all(
        [file, directory].map((each) => here.fs.setattr(each, { mode: 0o700 }, undefined, caller)),
      )
      for (const sync of SYNCS) {
        const synced = await Promise.resolve(sync()).catch((error: RemoteError) => error)
        expect(synced).to.have.property('code', 'EIO')
      }
      await back()
      expect((await stored('d')).mode & 0o777).to.equal(0o700)
    })
  })

  describe('waits for the server', () => {
    /** Whether a program waits for the answer. */
    async function waits(set: () => Promise<unknown>, machine = here): Promise<boolean> {
      let isDone = false
      const gate = new Promise<void>((resolve) => {
        letGo = resolve
      })
      machine.fault.answer = (asked) => (asked === 'setAttributes' ? gate : undefined)
      const done = set().then(() => {
        isDone = true
      })
      await turns()
      const waited = !isDone
      letGo()
      await done
      return waited
    }

    it('until it was seen that this login may', async () => {
      const other = await earth.machine({}, 'told', { keepsOrder: true })
      await other.fs.statfs(ROOT, caller)
      const file = (await other.calls.lookup(ROOT, 'a')).node
      const chmod = () =>
        Promise.resolve(other.fs.setattr(file, { mode: 0o600 }, undefined, caller))
      expect(await waits(chmod, other)).to.equal(true)
      expect(await waits(chmod, other)).to.equal(false)
      await other.fs.drain()
    })

    it('while nobody tells what others change, or it keeps no order', async () => {
      for (const changes of ['not told', 'told'] as const) {
        const other = await earth.machine({}, changes, { keepsOrder: changes !== 'told' })
        await other.fs.statfs(ROOT, caller)
        const file = (await other.calls.lookup(ROOT, 'a')).node
        const chmod = () =>
          Promise.resolve(other.fs.setattr(file, { mode: 0o600 }, undefined, caller))
        await chmod()
        expect(await waits(chmod, other), changes).to.equal(true)
      }
    })

    it('where it must decide, or what is set stays here once the name is gone', async () => {
      await here.fs.symlink(ROOT, 'link', 'target', caller)
      await here.fs.mknod(ROOT, 'pipe', 0o010644, 0, caller)
      const mode = await set('link', { mode: 0o600 }).catch((error: RemoteError) => error)
      expect(mode).to.have.property('code', 'ENOTSUP')
      await set('pipe', { mode: 0o600 })
      expect(await waits(() => set('pipe', { mode: 0o640 }))).to.equal(true)
      expect(await waits(() => set('link', { mtime: HOUR }))).to.equal(false)
      await here.fs.drain()
    })

    it('with close(2) where the file is open for writing', async () => {
      const file = await node('a')
      const { handle } = await here.fs.open(file, O_WRONLY, caller)
      await set('a', { mtime: HOUR })
      expect(here.requests.count('setAttributes')).to.equal(0)
      await here.fs.flush(file, handle, caller)
      await here.fs.release(file, handle, caller)
      expect((await stored('a')).mtime.seconds).to.equal(3600)
    })
  })
})
