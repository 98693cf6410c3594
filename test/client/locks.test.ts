import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Locker, locker } from './locker.js'

/** Two machines, each with a mount of its own, and a program on each. */
describe('locks between machines', () => {
  let server: TestServer
  const machines: Machine[] = []
  const mounts: Mount[] = []
  const programs: Locker[] = []
  let files = 0

  before(async function () {
    requires(this, 'fuse')
    this.timeout(120_000)
    server = await startServer()
    for (let index = 0; index < 2; index++) {
      const home = await machine(server)
      machines.push(home)
      mounts.push(await home.mount())
    }
    await mkdir(join(mounts[0]?.directory ?? '', 'locks'))
  })
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.kill('SIGKILL')
  })
  after(async () => {
    for (const home of machines) await home.remove()
    await server?.remove()
  })

  /** A program on a machine that has the file open as "f". */
  async function program(on: 0 | 1, file: string): Promise<Locker> {
    const started = locker()
    programs.push(started)
    expect(await started.ask('open', 'f', join(mounts[on]?.directory ?? '', file))).to.equal('ok')
    return started
  }
  const newFile = () => `locks/${++files}`

  it('flock: an exclusive lock keeps the other machine out', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('flock', 'f', 'exclusive', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'exclusive', 'now')).to.equal('EAGAIN')
    expect(await other.ask('flock', 'f', 'shared', 'now')).to.equal('EAGAIN')
    expect(await one.ask('flock', 'f', 'none', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'exclusive', 'now')).to.equal('ok')
    expect(await one.ask('flock', 'f', 'shared', 'now')).to.equal('EAGAIN')
  })

  it('flock: shared locks go together', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('flock', 'f', 'shared', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'shared', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'exclusive', 'now')).to.equal('EAGAIN')
  })
})
