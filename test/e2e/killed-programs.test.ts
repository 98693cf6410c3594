import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { type Machine, machine } from '../support/mount.js'
import { outcome, root, run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { realTree } from '../support/tree.js'
import { until } from '../support/until.js'
import { KILLED_PROGRAMS } from './killed-programs.js'
import { makeNpmProject } from './npm-project.js'
import type { Places } from './programs.js'

const SLOW = 300_000
const FLAGS = ['--write-back']

/** What programs did before `kill -9` of the client is there in the next mount, and they can go on. */
describe('programs on a mount with --write-back that is killed', () => {
  let server: TestServer
  let home: Machine
  let places: Places
  let local = ''

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    server = await startServer()
    local = await temporaryDirectory('killed')
    const project = join(local, 'project')
    await makeNpmProject(project, homedir())
    places = { tree: (await realTree()).path, root, project, home: homedir() }
  })
  beforeEach(async () => {
    home = await machine(server)
  })
  afterEach(() => home?.remove())
  after(async () => {
    await server?.remove()
    await removeDirectory(local)
  })

  for (const [index, { title, needs, begin, kill, finish }] of KILLED_PROGRAMS.entries()) {
    it(title, async function () {
      requires(this, ...needs)
      const done = join(local, `done${index}`)
      const killed = await home.mount({ flags: FLAGS })
      const before = await inodes(killed.directory)
      const work = join(killed.directory, `work${index}`)
      await mkdir(work)
      const env = { HOME: local, done }
      // Asked before, for the program would be done meanwhile.
      const pid = await killed.pid()
      const slowly = { cwd: work, env, timeoutMilliseconds: SLOW }
      const running = outcome('sh', ['-ec', begin(places)], slowly)
      const isFarEnough = async (): Promise<boolean> =>
        'lines' in kill
          ? (await lines(done)) >= kill.lines
          : (await inodes(killed.directory)) >= before + kill.inodes
      await until('the program is on its way', isFarEnough, SLOW)
      const told = await readFile(done).catch(() => '')
      process.kill(pid, 'SIGKILL')
      expect((await running).status, 'of a program whose mount is gone').to.not.equal(0)
      // tar goes on after errors, and tells of files that it could not make.
      await writeFile(done, told)

      const mount = await home.mount({ flags: FLAGS })
      const again = join(mount.directory, basename(work))
      const options = { cwd: again, env, timeoutMilliseconds: SLOW }
      await run('sh', ['-ec', finish(places)], options)
      expect((await mount.status()).conflicts).to.include({ overwritten: 0, copies: 0 })
      await mount.unmount()
    }).timeout(SLOW)
  }

  const lines = async (path: string): Promise<number> =>
    (await readFile(path, 'utf8').catch(() => '')).split('\n').length - 1
  const inodes = async (directory: string): Promise<number> => {
    const { files, ffree } = await statfs(directory)
    return files - ffree
  }
})
