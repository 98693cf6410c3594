import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame } from '../../server/wire/frames.js'
import { HEADERS } from '../../server/wire/headers.js'
import { type FileApi, fileApi } from '../support/files.js'
import { ended } from '../support/is-running.js'
import { logged } from '../support/logged.js'
import { login } from '../support/login.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { until } from '../support/until.js'
import { type Locker, locker } from './locker.js'
import { twoMachines } from './two-machines.js'

/** Higher than any that Linux gives out. */
const NOBODY = 2 ** 22 + 1

interface Record {
  account: string
  secret: string
  process: { kernel: string; pid: number }
}

/** A machine of its own beside the two, whose mount is killed and mounted again before its lease is over. */
describe('a mount that comes after one that was killed', function () {
  this.timeout(120_000)
  const two = twoMachines('killed')
  let home: Machine
  let api: FileApi

  before(async () => {
    api = fileApi(two.server, (await login(two.server)).access_token)
  })
  after(() => api?.close())
  beforeEach(async () => {
    home = await machine(two.server)
  })
  afterEach(() => home.remove())

  async function killed(mount: Mount): Promise<void> {
    const pid = await mount.pid()
    process.kill(pid, 'SIGKILL')
    await ended(pid)
  }

  async function program(path: string): Promise<Locker> {
    const started = locker()
    two.programs.push(started)
    expect(await started.ask('open', 'f', path)).to.equal('ok')
    return started
  }

  /** A lock that the server itself keeps for the mount: another machine has tried for it. */
  async function held(mount: Mount, file: string, ...how: (string | number)[]): Promise<Locker> {
    const holder = await program(join(mount.directory, file))
    const other = await two.program(0, file)
    expect(await holder.ask(...how)).to.equal('ok')
    expect(await other.ask(...how)).to.equal('EAGAIN')
    return holder
  }

  const connections = () => join(home.home, 'state', 'connections')
  async function only(): Promise<string> {
    const [name, ...more] = await readdir(connections())
    expect(more).to.deep.equal([])
    return join(connections(), name ?? '')
  }

  const again: [where: string, mount: (first: Mount) => Promise<Mount>][] = [
    ['on its directory', () => home.mount()],
    [
      'on its directory after coffer unmount',
      async (first) => {
        await first.unmount()
        return home.mount()
      },
    ],
    ['on another directory', () => home.mount({ directory: join(home.home, 'another') })],
  ]
  for (const [where, mount] of again) {
    it(`has its locks at once, ${where}`, async () => {
      const first = await home.mount()
      const [one, other] = [two.newFile(), two.newFile()]
      const flock = ['flock', 'f', 'exclusive', 'now']
      const fcntl = ['fcntl', 'f', 'write', 0, 0, 'now']
      const holders = [await held(first, one, ...flock), await held(first, other, ...fcntl)]
      await killed(first)
      for (const holder of holders) await holder.kill('SIGKILL')
      const second = await mount(first)
      expect(await (await program(join(second.directory, one))).ask(...flock)).to.equal('ok')
      expect(await (await program(join(second.directory, other))).ask(...fcntl)).to.equal('ok')
    })
  }

  const doubts: [what: string, change: (record: Record) => void][] = [
    [
      'ran before a restart, or on another machine',
      ({ process }) => {
        process.kernel = `${crypto.randomUUID()}${process.kernel.slice(36)}`
      },
    ],
    [
      'ran in another pid namespace',
      ({ process }) => {
        process.kernel = process.kernel.replace(/pid:\[\d+\]/, 'pid:[1]')
      },
    ],
    [
      'was of another account',
      (record) => {
        record.account = '0'.repeat(32)
      },
    ],
  ]
  for (const [what, change] of doubts) {
    it(`leaves one alone that ${what}`, async () => {
      await killed(await home.mount())
      const file = await only()
      const record = JSON.parse(await readFile(file, 'utf8'))
      change(record)
      await writeFile(file, JSON.stringify(record))
      await home.mount()
      expect(JSON.parse(await readFile(file, 'utf8'))).to.deep.equal(record)
    })
  }

  it('leaves one alone that lives, though its process looks as if it had ended', async () => {
    const first = await home.mount()
    const file = await only()
    const record = JSON.parse(await readFile(file, 'utf8'))
    record.process.pid = NOBODY
    await writeFile(file, JSON.stringify(record))
    const name = two.newFile()
    const holder = await held(first, name, 'flock', 'f', 'exclusive', 'now')
    const second = await home.mount({ directory: join(home.home, 'second') })
    const other = await program(join(second.directory, name))
    expect(await other.ask('flock', 'f', 'exclusive', 'now')).to.equal('EAGAIN')
    expect(await holder.ask('write', 'f', 0, 'still-mine')).to.equal('ok')
    expect(await holder.ask('sync', 'f')).to.equal('ok')
  })

  it('has the locks at once, too, of one with --write-back that had sent all', async () => {
    const first = await home.mount({ flags: ['--write-back'] })
    const file = two.newFile()
    const flock = ['flock', 'f', 'exclusive', 'now']
    const holder = await held(first, file, ...flock)
    await killed(first)
    await holder.kill('SIGKILL')
    const second = await home.mount()
    expect(await (await program(join(second.directory, file))).ask(...flock)).to.equal('ok')
  })

  it('has its locks at once, too, while one that lives has something in its journal', async () => {
    const flags = ['--write-back']
    const slow = [...flags, '--limit-rate', '64k']
    const living = await home.mount({ directory: join(home.home, 'living'), flags: slow })
    const first = await home.mount({ flags })
    const [file, long] = [two.newFile(), two.newFile()]
    const flock = ['flock', 'f', 'exclusive', 'now']
    const holder = await held(first, file, ...flock)
    await writeFile(join(living.directory, long), Buffer.alloc(8 << 20))
    await killed(first)
    await holder.kill('SIGKILL')
    const second = await home.mount()
    expect(await (await program(join(second.directory, file))).ask(...flock)).to.equal('ok')
    expect((await home.coffer('unmount', '--force', living.directory)).status).to.equal(0)
  })

  it('has the locks at once of one that was unmounted by force, and gave up what was not sent', async () => {
    const first = await home.mount()
    const file = two.newFile()
    const flock = ['flock', 'f', 'exclusive', 'now']
    const holder = await held(first, file, ...flock)
    expect(await holder.ask('write', 'f', 0, 'unsent')).to.equal('ok')
    const pid = await first.pid()
    expect((await home.coffer('unmount', '--force', first.directory)).status).to.equal(0)
    await holder.kill('SIGKILL')
    await ended(pid)
    const second = await home.mount()
    expect(await (await program(join(second.directory, file))).ask(...flock)).to.equal('ok')
  })

  /** A mount is killed that holds a lock others wait for, and has written what only its journal has. */
  async function killedWithJournal() {
    const [locked, written] = [two.newFile(), two.newFile()]
    const [old, newer] = [Buffer.alloc(1 << 20, 'old'), Buffer.alloc(1 << 20, 'new')]
    await writeFile(two.at(0, written), old)
    const first = await home.mount({ flags: ['--write-back', '--limit-rate', '64k'] })
    const flock = ['flock', 'f', 'exclusive']
    const holder = await held(first, locked, ...flock, 'now')
    await writeFile(join(first.directory, written), newer)
    const other = await two.program(0, locked)
    const granted = other.ask(...flock, 'wait')
    const { secret }: Record = JSON.parse(await readFile(await only(), 'utf8'))
    await killed(first)
    await holder.kill('SIGKILL')
    return { granted, written, newer, secret }
  }

  /** The lease of the one that was killed is not over before that: as if it had been killed just then, however busy the machine. */
  async function inTime<T>(secret: string, work: Promise<T>): Promise<T> {
    const headers = { 'Content-Type': BATCH_TYPE, [HEADERS.connection]: secret }
    const body = encodeFrame({ op: 'renewLocks' })
    const renew = () => api.send('POST', '/batch', { headers, body }).catch(() => {})
    const timer = setInterval(renew, 1_000)
    return work.finally(() => clearInterval(timer))
  }

  it('sends what was written with --write-back before others get the locks', async () => {
    const { granted, written, newer, secret } = await killedWithJournal()
    // That takes longer than a lease.
    const second = await inTime(secret, home.mount({ flags: ['--limit-rate', '48k'] }))
    expect(await granted).to.equal('ok')
    expect((await readFile(two.at(0, written))).equals(newer)).to.equal(true)
    expect((await second.status()).conflicts).to.include({ overwritten: 0, copies: 0 })
    const [log = ''] = await readdir(join(home.home, 'state', 'logs'))
    // It was not for the end of the lease.
    await logged(join(home.home, 'state', 'logs', log), 'others may have its locks')
    await second.unmount()
  })

  it('leaves the locks to another one that sends what was written with --write-back', async () => {
    const { granted, written, newer, secret } = await killedWithJournal()
    const left = await only()
    const word = await readFile(left)
    const second = await inTime(secret, home.mount({ flags: ['--limit-rate', '256k'] }))
    // as if both had looked before one of them took the place
    await writeFile(left, word)
    const flags = ['--write-back']
    const third = await home.mount({ directory: join(home.home, 'third'), flags })
    expect(await granted).to.equal('ok')
    expect((await readFile(two.at(0, written))).equals(newer)).to.equal(true)
    await second.unmount()
    await third.unmount()
  })

  const readOnly: [what: string, flags: string[], stays: boolean][] = [
    ['takes the place, read-only, of one that has no journal', [], false],
    ['leaves one alone, read-only, whose journal it does not send', ['--write-back'], true],
  ]
  for (const [what, flags, stays] of readOnly) {
    it(what, async () => {
      await killed(await home.mount({ flags }))
      const left = await only()
      await home.mount({ flags: ['--read-only'] })
      const now = (await readdir(connections())).map((name) => join(connections(), name))
      expect(now.includes(left)).to.equal(stays)
    })
  }

  it('leaves nothing behind that was unmounted', async () => {
    const mount = await home.mount()
    await only()
    await mount.unmount()
    expect(await readdir(connections())).to.deep.equal([])
  })

  it('takes the place of one, too, that ended while the server was away', async () => {
    const first = await home.mount()
    const left = await only()
    const pid = await first.pid()
    await two.server.stop('SIGKILL')
    await until('it is noticed that the server is away', async () => {
      return (await first.status()).connection.state === 'away'
    })
    expect((await home.coffer('unmount', '--force', first.directory)).status).to.equal(0)
    await ended(pid)
    expect(await only()).to.equal(left)
    await two.server.restart()
    const second = await home.mount()
    expect(await only()).to.not.equal(left)
    await second.unmount()
  })
})
