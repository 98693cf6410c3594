import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended } from '../support/is-running.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { start } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

/** Makes files with O_EXCL (noclobber), writes to them and keeps them open. */
const HOLD =
  'set -C; for name; do exec {file}>"$name"; printf mine >&$file; done; echo open; exec sleep infinity'

/** Two machines, each with a mount of its own, that both make files with O_EXCL. */
describe('O_EXCL between machines, with leases of names', () => {
  let server: TestServer
  const machines: Machine[] = []
  const mounts: Mount[] = []
  let directories = 0

  before(async function () {
    requires(this, 'fuse')
    this.timeout(120_000)
    server = await startServer()
    for (let index = 0; index < 2; index++) await oneMore()
  })
  after(async () => {
    for (const home of machines) await home.remove()
    await server?.remove()
  })

  async function oneMore(): Promise<Mount> {
    const home = await machine(server)
    machines.push(home)
    const mount = await home.mount()
    mounts.push(mount)
    return mount
  }

  const on = (index: number, ...names: string[]) => join(mounts[index]?.directory ?? '', ...names)

  /** A directory whose names the first machine has by now. */
  async function leased(): Promise<string> {
    const directory = `d${++directories}`
    await mkdir(on(0, directory))
    for (const name of ['1', '2', '3', '4'])
      await writeFile(on(0, directory, name), name, { flag: 'wx' })
    return directory
  }

  async function code(work: Promise<unknown>): Promise<unknown> {
    try {
      await work
      return 'done'
    } catch (error) {
      return (error as { code?: unknown }).code
    }
  }

  it('gives each name to one of four programs on two machines that want it', async () => {
    const directory = await leased()
    const won = new Map<string, string[]>()
    const run = async (index: number, program: string) => {
      for (let number = 0; number < 40; number++) {
        const name = `n${number}`
        const outcome = await code(
          writeFile(on(index, directory, name), `${program} ${name}`, { flag: 'wx' }),
        )
        if (outcome === 'done') won.set(name, [...(won.get(name) ?? []), program])
        else expect(outcome).to.equal('EEXIST')
      }
    }
    await Promise.all([run(0, 'a'), run(1, 'b'), run(0, 'c'), run(1, 'd')])
    expect(won.size).to.equal(40)
    for (const [name, programs] of won) {
      expect(programs, name).to.have.length(1)
      const text = await readFile(on(1, directory, name), 'utf8')
      expect(text).to.equal(`${programs[0]} ${name}`)
      expect(await readFile(on(0, directory, name), 'utf8')).to.equal(text)
    }
  })

  it('refuses a name that is open on the other machine and was never closed', async () => {
    const directory = await leased()
    const file = await open(on(0, directory, 'lock'), 'wx')
    await file.write('mine')
    expect(await code(open(on(1, directory, 'lock'), 'wx'))).to.equal('EEXIST')
    expect(await code(mkdir(on(1, directory, 'lock')))).to.equal('EEXIST')
    expect(await readFile(on(1, directory, 'lock'), 'utf8')).to.equal('mine')
    await file.close()
  })

  it('keeps the names that were given when the server is killed and started again', async () => {
    const directory = await leased()
    // A program of its own: this one could not start the server while its own files wait for it to be closed.
    const names = ['x', 'y', 'z']
    const program = start('bash', ['-ec', HOLD, 'hold', ...names], { cwd: on(0, directory) })
    await program.printed(/open/)
    await server.stop('SIGKILL')
    await server.restart()
    for (const name of names) {
      expect(await code(open(on(1, directory, name), 'wx')), name).to.equal('EEXIST')
    }
    await program.stop()
    for (const name of names) {
      expect(await readFile(on(1, directory, name), 'utf8'), name).to.equal('mine')
    }
  }).timeout(120_000)

  it('waits no longer than a lease for a machine that was killed', async () => {
    const killed = await oneMore()
    const directory = join(killed.directory, 'killed')
    await mkdir(directory)
    for (const name of ['1', '2', '3', '4']) {
      await writeFile(join(directory, name), name, { flag: 'wx' })
    }
    const pid = await killed.pid()
    process.kill(pid, 'SIGKILL')
    await ended(pid)
    await writeFile(on(1, 'killed', 'next'), 'theirs', { flag: 'wx' })
    for (const name of ['1', '2', '3', '4']) {
      expect(await readFile(on(1, 'killed', name), 'utf8')).to.equal(name)
    }
  }).timeout(120_000)
})
