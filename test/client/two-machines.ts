import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Locker, locker } from './locker.js'

export interface TwoMachines {
  readonly server: TestServer
  /** More of them are removed with the two. */
  readonly machines: Machine[]
  readonly mounts: readonly Mount[]
  /** More of them are killed after the test. */
  readonly programs: Locker[]
  /** Of something on the mount of a machine. */
  at(on: 0 | 1, path: string): string
  /** In the directory of the suite. */
  newFile(): string
  /** A program on a machine that has the file open as "f". */
  program(on: 0 | 1, file: string): Promise<Locker>
}

/** Two machines, each with a mount of its own, which share a directory. Sets a suite up. */
export function twoMachines(directory: string): TwoMachines {
  let server: TestServer | undefined
  const machines: Machine[] = []
  const mounts: Mount[] = []
  const programs: Locker[] = []
  let files = 0
  const at = (on: 0 | 1, path: string) => join(mounts[on]?.directory ?? '', path)

  before(async function () {
    requires(this, 'fuse')
    requires(this, 'python3')
    this.timeout(120_000)
    server = await startServer()
    for (let index = 0; index < 2; index++) {
      const home = await machine(server)
      machines.push(home)
      mounts.push(await home.mount())
    }
    await mkdir(at(0, directory))
  })
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.kill('SIGKILL')
  })
  after(async () => {
    for (const home of machines) await home.remove()
    await server?.remove()
  })

  return {
    get server() {
      if (server === undefined) throw new Error('the server is not there yet')
      return server
    },
    machines,
    mounts,
    programs,
    at,
    newFile: () => `${directory}/${++files}`,
    async program(on, file) {
      const started = locker()
      programs.push(started)
      expect(await started.ask('open', 'f', at(on, file))).to.equal('ok')
      return started
    },
  }
}
