import { mkdir, readFile, stat, statfs, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { root, run } from '../support/process.js'
import { installed, requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { realTree } from '../support/tree.js'
import { until } from '../support/until.js'
import { makeNpmProject } from './npm-project.js'
import { LONG_PROGRAMS, type Places, PROGRAMS } from './programs.js'

const SLOW = 300_000

describe('programs on the mount', () => {
  let server: TestServer
  let home: Machine
  let mount: Mount
  let work = ''
  let works = 0
  let places: Places
  let local = ''

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    server = await startServer()
    home = await machine(server)
    mount = await home.mount()
    local = await temporaryDirectory('programs')
    const project = join(local, 'project')
    await makeNpmProject(project, homedir())
    places = { tree: (await realTree()).path, root, project, home: homedir() }
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
    await removeDirectory(local)
  })
  beforeEach(async () => {
    work = join(mount.directory, `work${++works}`)
    await mkdir(work)
  })
  const sh = (script: string): Promise<string> =>
    run('sh', ['-ec', script], { cwd: work, timeoutMilliseconds: SLOW, env: { HOME: local } })

  for (const { title, needs, script } of PROGRAMS) {
    it(title, async function () {
      requires(this, ...needs)
      await sh(script(places))
    }).timeout(SLOW)
  }

  for (const program of [...PROGRAMS, ...LONG_PROGRAMS]) {
    const { title, needs, script } = program
    const rounds = LONG_PROGRAMS.includes(program) ? [1, 10, 100] : [1]
    it(`${title}; with the server killed and started again on the way`, async function () {
      requires(this, ...needs)
      let isOver = false
      const running = sh(script(places)).finally(() => {
        isOver = true
      })
      await Promise.all([running, killedOnTheWay(rounds, () => isOver)])
    }).timeout(SLOW)
  }

  /** Once the server has something of the program; a long one again after 10 and 100 further inodes. */
  async function killedOnTheWay(rounds: readonly number[], isOver: () => boolean): Promise<void> {
    let kills = 0
    for (const more of rounds) {
      const before = await inodes()
      const isFurther = async () => (await inodes()) >= before + more
      await until('the program goes on', async () => isOver() || isFurther(), SLOW)
      if (isOver()) break
      await server.stop('SIGKILL')
      await server.restart()
      kills++
    }
    expect(kills, 'times that the server was killed').to.be.above(0)
  }
  const inodes = async (): Promise<number> => {
    const { files, ffree } = await statfs(mount.directory)
    return files - ffree
  }

  it('touch, cp -a and tar keep times to the nanosecond', async () => {
    await sh(`
      touch -d '2001-02-03 04:05:06.123456789 UTC' dated && touch -m -d '@1234567890.987654321' dated
      cp -a dated copied && tar cf archive.tar --format=posix dated && mkdir out && tar xpf archive.tar -C out`)
    for (const name of ['dated', 'copied', 'out/dated']) {
      const { mtimeNs } = await stat(join(work, name), { bigint: true })
      expect(mtimeNs, name).to.equal(1_234_567_890_987_654_321n)
    }
  })

  it('make: rebuilds what is older, and nothing else', async () => {
    await writeFile(join(work, 'Makefile'), 'out: in\n\t@cp in out && echo built\n')
    await writeFile(join(work, 'in'), '1')
    expect(await sh('make out')).to.equal('built\n')
    expect(await sh('make out')).to.not.include('built')
    await utimes(join(work, 'in'), new Date(Date.now() + 5000), new Date(Date.now() + 5000))
    expect(await sh('make out 2>&1')).to.include('built')
  })

  it('vi: writes a file in place', async function () {
    const vi = installed('vim', 'vi')
    if (vi === undefined) {
      process.stderr.write('SKIPPED: vi is not installed\n')
      this.skip()
    }
    await writeFile(join(work, 'text'), 'one\ntwo\nthree\n')
    await sh(`${vi} -e -s -N -u NONE -c '2s/two/zwei/' -c 'wq' text < /dev/null`)
    expect(await readFile(join(work, 'text'), 'utf8')).to.equal('one\nzwei\nthree\n')
    expect((await sh('ls -A')).trim()).to.equal('text')
  })

  it('find, du, grep, sort and sed -i agree with a local copy', async () => {
    const { path } = await realTree()
    await run('cp', ['-R', join(path, 'lib'), join(local, 'lib')])
    await sh(`cp -R "${path}/lib" lib`)
    const both = (script: string) =>
      Promise.all([work, local].map((cwd) => run('sh', ['-ec', script], { cwd })))
    for (const script of [
      'find lib -type f | sort',
      'grep -rl require lib | sort',
      'cat $(find lib -name "*.js" | sort) | sort | uniq -c | sort -rn | head -50',
      'find lib -name "*.js" -exec sed -i s/require/REQUIRE/g {} + && cat $(find lib -name "*.js" | sort) | cksum',
      'du -b --apparent-size $(find lib -type f | sort)',
    ]) {
      const [there, here] = await both(script)
      expect(there, script).to.equal(here)
    }
  }).timeout(SLOW)
})
