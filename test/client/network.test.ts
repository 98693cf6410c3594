import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { isMounted, type Machine, type Mount, machine } from '../support/mount.js'
import { start } from '../support/process.js'
import type { TestServer } from '../support/server.js'
import { networkedServer } from './networked-server.js'
import type { Network, Weather } from './tcp-proxy.js'

/** What became of a write(2) that nothing ever came back for, and after how long. */
interface Lost {
  readonly error: unknown
  readonly milliseconds: number
}

describe('a mount on a bad network', () => {
  let net: Network
  let server: TestServer
  let home: Machine
  let mount: Mount
  let cutOff: { net: Network; server: TestServer; home: Machine; mount: Mount }
  let losing: Promise<Lost>

  before(async function () {
    this.timeout(120_000)
    ;({ net, server } = await networkedServer())
    home = await machine(server)
    mount = await home.mount()
    const other = await networkedServer()
    const guest = await machine(other.server)
    cutOff = { ...other, home: guest, mount: await guest.mount() }
    losing = lost() // its minute passes beside the other tests
  })
  afterEach(() => net.become('pass'))
  after(async function () {
    this.timeout(120_000) // a server may take its grace, which is as long as a hook has
    await Promise.all(
      [{ net, server, home, mount }, cutOff].map(async (each) => {
        await each?.mount?.unmount()
        await each?.home?.remove()
        await each?.net?.close()
        await each?.server?.remove()
      }),
    )
  })

  async function lost(): Promise<Lost> {
    cutOff.net.become('gone')
    const begun = performance.now()
    const error: unknown = await writeFile(join(cutOff.mount.directory, 'lost'), 'x').catch(
      (caught: unknown) => caught,
    )
    return { error, milliseconds: performance.now() - begun }
  }

  /** Writes files of all sizes, changes the weather meanwhile, and compares every byte. */
  async function copies(folder: string, change: () => Promise<void>): Promise<void> {
    const directory = join(mount.directory, folder)
    await mkdir(directory)
    const sizes = [0, 1, 4_096, 100_000, 3_000_000, 7, 65_536, 1_000_000, 12, 500_000]
    const files = sizes.map((size, number): [string, Buffer] => [`f${number}`, randomBytes(size)])
    const changing = change()
    for (const [name, content] of files) {
      await writeFile(join(directory, name), content)
      await delay(100)
    }
    await changing
    for (const [name, content] of files) {
      expect((await readFile(join(directory, name))).equals(content), name).to.equal(true)
    }
  }

  async function weather(...changes: [Weather, number][]): Promise<void> {
    for (const [kind, milliseconds] of changes) {
      net.become(kind)
      await delay(milliseconds)
    }
    net.become('pass')
  }

  it('copies through connections that break again and again', async function () {
    this.timeout(120_000)
    await copies('reset', async () => {
      for (let count = 0; count < 8; count++) {
        await delay(150)
        net.reset()
      }
    })
  })

  it('lets nothing that a dead connection brings late go over what was written since', async function () {
    this.timeout(120_000)
    const file = await open(join(mount.directory, 'late'), 'w')
    await file.write('first', 0)
    await file.sync()
    net.detain()
    await file.write('older', 0)
    await file.sync()
    await file.write('newer', 0)
    await file.sync()
    expect(net.deliver()).to.be.above(0)
    // Comes behind it, and is answered by the same server.
    const other = await home.mount({ directory: join(home.home, 'other') })
    expect(await readFile(join(other.directory, 'late'), 'utf8')).to.equal('newer')
    await other.unmount()
    await file.close()
  })

  it('copies while the network comes and goes', async function () {
    this.timeout(120_000)
    await copies('gone', () =>
      weather(['pass', 200], ['gone', 2_000], ['pass', 300], ['gone', 1_000]),
    )
  })

  it('copies over a slow line', async function () {
    this.timeout(120_000)
    await copies('slow', () => weather(['slow', 4_000]))
  })

  it('wakes up after connections fell silent', async function () {
    this.timeout(180_000)
    await copies('frozen', async () => {
      await delay(300)
      net.become('frozen')
      await delay(3_000)
      // What was under way is lost for good; only new connections work.
      net.reset()
      net.become('pass')
    })
  })

  it('gives up connections that nothing comes through any more', async function () {
    this.timeout(180_000)
    await writeFile(join(mount.directory, 'kept'), 'x')
    net.forget()
    const begun = performance.now()
    await copies('forgotten', async () => {})
    expect(performance.now() - begun).to.be.lessThan(60_000)
  })

  /** Ctrl-C ends what is stuck, and the network works again. */
  async function endsAtOnce(stuck: ReturnType<typeof start>): Promise<void> {
    expect(stuck.child.exitCode).to.equal(null)
    const begun = performance.now()
    await stuck.stop('SIGINT')
    const took = performance.now() - begun
    net.reset()
    net.become('pass')
    expect(took, 'milliseconds').to.be.lessThan(15_000) // no request gives up sooner
  }

  for (const [what, program, ...parameters] of [
    ['a lookup', 'stat', 'never-seen'],
    ['a listing', 'ls', '.'],
    ['a read', 'cat', 'large'],
    ['a change', 'mkdir', 'new'],
  ] as const) {
    it(`lets Ctrl-C end ${what} that is stuck`, async function () {
      this.timeout(120_000)
      await writeFile(join(mount.directory, 'large'), randomBytes(3_000_000))
      await mount.unmount()
      mount = await home.mount()
      net.become('frozen')
      const stuck = start(program, parameters, { cwd: mount.directory })
      await delay(1_500)
      await endsAtOnce(stuck)
    })
  }

  it('lets Ctrl-C end a mount command that waits for the server', async function () {
    this.timeout(60_000)
    const directory = join(home.home, 'second')
    await mkdir(directory)
    await mount.unmount()
    net.become('frozen')
    const asked = net.connected() // by nobody else, as nothing is mounted
    const stuck = home.start('mount', '--wait', '60', directory)
    await asked
    await endsAtOnce(stuck)
    expect(stuck.child.exitCode).to.equal(1)
    expect(stuck.log()).to.equal('coffer: stopped by SIGINT\n')
    expect(await isMounted(directory)).to.equal(false)
    mount = await home.mount()
  })

  it('says EIO in bounded time when nothing comes back, and recovers', async function () {
    this.timeout(180_000)
    const { error, milliseconds } = await losing
    expect(error).to.have.property('code', 'EIO')
    expect(milliseconds).to.be.lessThan(100_000)
    const { net, mount } = cutOff
    net.become('pass')
    await writeFile(join(mount.directory, 'found'), 'x')
    expect(await readFile(join(mount.directory, 'found'), 'utf8')).to.equal('x')
  })
})
