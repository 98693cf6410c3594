import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended } from '../support/is-running.js'
import { logged } from '../support/logged.js'
import { approve } from '../support/login.js'
import { isMounted, type Machine, machine } from '../support/mount.js'
import { start } from '../support/process.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { locker } from './locker.js'

/** Opens a file, writes to it when told to, and keeps it open. */
const HOLD = `const { openSync, writeSync } = require('node:fs')
const file = openSync(process.argv[1], 'w')
process.on('SIGUSR2', () => { writeSync(file, 'content'); console.log('written') })
setInterval(() => {}, 1000)
console.log('open')`

describe('a mount that something is wrong with', function () {
  this.timeout(120_000)

  let server: TestServer
  let home: Machine

  before(async () => {
    server = await startServer()
  })
  after(() => server?.remove())
  beforeEach(async () => {
    home = await machine(server)
  })
  afterEach(() => home.remove())

  const failure = async (...parameters: string[]): Promise<string> => {
    const { status, stderr } = await home.coffer(...parameters)
    expect(status, stderr).to.equal(1)
    expect(stderr).to.not.match(/\n\s+at /)
    return stderr
  }

  it('says that the process of a mount is stopped, and unmounts without it by force', async () => {
    const { directory, pid } = await home.mount()
    const stopped = await pid()
    process.kill(stopped, 'SIGSTOP')
    try {
      // together, for each waits as long as a mount may take
      const [told, refused] = await Promise.all([
        home.coffer('status'),
        failure('unmount', directory),
      ])
      expect(told.status).to.equal(1)
      expect(told.stdout).to.include(`ITS PROCESS (${stopped}) DOES NOT ANSWER`)
      expect(refused).to.include('coffer unmount --force')
      expect((await home.coffer('unmount', '--force', directory)).status).to.equal(0)
      expect(await isMounted(directory)).to.equal(false)
    } finally {
      process.kill(stopped, 'SIGCONT')
    }
    await ended(stopped)
  })

  it('is unmounted once its process has nothing more to do, be it that a server does not answer', async () => {
    const { directory, status } = await home.mount()
    await writeFile(join(directory, 'sent'), '')
    const { log = '' } = await status()
    process.kill(server.pid, 'SIGSTOP')
    try {
      expect((await home.coffer('unmount', directory)).status).to.equal(0)
      await logged(log, 'its locks stay until the next mount')
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
  })

  it('does not lose a mount to the end of one that was unmounted by force before', async () => {
    const first = await home.mount()
    await writeFile(join(first.directory, 'open'), 'still read')
    const pid = await first.pid()
    const file = await open(join(first.directory, 'open'))
    expect((await home.coffer('unmount', '--force', first.directory)).status).to.equal(0)
    const second = await home.mount()
    expect(await second.pid()).to.not.equal(pid)
    await file.close()
    await ended(pid)
    expect((await home.coffer('list')).stdout).to.include(second.directory)
    const own = await second.pid()
    await second.unmount()
    await ended(own)
    expect(await readdir(join(home.home, 'state', 'mounts'))).to.deep.equal([])
  })

  it('stays mounted when Ctrl-C ends the wait for a server, and says what is lost by force', async () => {
    const { directory, pid } = await home.mount()
    const own = await pid()
    // In a program of its own: who starts another one closes its copy of the file, which waits for the server.
    const holder = start(process.execPath, ['-e', HOLD, join(directory, 'unsent')])
    await holder.printed(/open/)
    await server.stop('SIGKILL')
    try {
      process.kill(holder.pid, 'SIGUSR2')
      await holder.printed(/written/)
      const given = home.start('unmount', directory)
      await given.printed(/7 bytes in 1 file cannot be sent now: the server is away/)
      await given.stop('SIGINT')
      expect(given.child.exitCode).to.equal(1)
      expect(given.log()).to.include(`Given up: ${directory} stays mounted.`)
      expect(await isMounted(directory)).to.equal(true)
      const { status, stdout, stderr } = await home.coffer('unmount', '--force', directory)
      expect(status, stderr).to.equal(0)
      expect(stdout + stderr).to.include('Not sent and lost: 7 bytes in 1 file')
      expect(await isMounted(directory)).to.equal(false)
    } finally {
      process.kill(own, 'SIGKILL')
      await ended(own)
      await holder.stop('SIGKILL')
      await server.restart()
    }
  })

  it('never sends what was said to be lost by force, though the program closes it later', async () => {
    const { directory, pid } = await home.mount()
    const own = await pid()
    const holder = start(process.execPath, ['-e', HOLD, join(directory, 'given-up')])
    await holder.printed(/open/)
    await server.stop('SIGKILL')
    process.kill(holder.pid, 'SIGUSR2')
    await holder.printed(/written/)
    const forced = await home.coffer('unmount', '--force', directory)
    expect(forced.stdout + forced.stderr).to.include('Not sent and lost: 7 bytes in 1 file')
    await server.restart()
    await home.mount()
    await holder.stop('SIGKILL')
    await ended(own)
    expect(await isMounted(directory)).to.equal(true)
    const found = await readFile(join(directory, 'given-up'), 'utf8').catch(() => 'nothing')
    expect(found).to.be.oneOf(['nothing', '']) // made, or not yet, before the server was away
  })

  it('says what is wrong with a log or a cache', async () => {
    await home.login()
    const directory = join(home.home, 'empty')
    await mkdir(directory)
    const file = join(home.home, 'file')
    await writeFile(file, '')
    for (const [flag, path] of [
      ['--log', home.home],
      ['--log', join(file, 'log')],
      ['--cache-dir', file],
      ['--cache-dir', join(file, 'cache')],
    ] as const) {
      expect(await failure('mount', flag, path, directory)).to.include(path)
    }
    expect(await failure('mount', '--foreground', '--log', home.home, directory)).to.include(
      'cannot be the log',
    )
    expect(await isMounted(directory)).to.equal(false)
  })

  it('leaves no mount behind that no command could find', async () => {
    await home.login()
    const directory = join(home.home, 'empty')
    await mkdir(directory)
    await mkdir(join(home.home, 'state'))
    await writeFile(join(home.home, 'state', 'mounts'), '')
    expect(await failure('mount', directory)).to.include('state cannot be written')
    expect(await isMounted(directory)).to.equal(false)
    await rm(join(home.home, 'state', 'mounts'))
  })

  /** Resolves once a listing is refused; what was learned just before the server went is believed for a second. */
  async function refusal(directory: string): Promise<void> {
    await until(`${directory} cannot be listed`, async () => {
      const answer: unknown = await readdir(directory).catch((error: unknown) => error)
      return answer instanceof Error && 'code' in answer && answer.code === 'EIO'
    })
  }

  it('says that the folder it shows was removed from the server', async () => {
    const { directory: all, unmount } = await home.mount()
    await mkdir(join(all, 'folder'))
    const directory = join(home.home, 'folder')
    const shown = await home.mount({ directory, flags: ['--remote', '/folder'] })
    await rm(join(all, 'folder'), { recursive: true })
    await until('status says so', async () => {
      const { status, stdout } = await home.coffer('status')
      return status === 1 && stdout.includes('THE FOLDER /folder IS GONE')
    })
    const answer: unknown = await readdir(directory).catch((error: unknown) => error)
    expect(answer).to.include({ errno: -116 }) // ESTALE, whose name Node.js does not know
    await shown.unmount()
    expect((await home.coffer('status')).status).to.equal(0)
    await unmount()
  })

  it('says that the certificate is another one, and goes on when it is the old one again', async () => {
    const { directory, logged, unmount } = await home.mount()
    await mkdir(join(directory, 'there'))
    await writeFile(join(directory, 'locked'), 'x')
    const program = locker()
    expect(await program.ask('open', 'f', join(directory, 'locked'))).to.equal('ok')
    const tls = join(server.data, 'tls')
    await rename(tls, `${tls}.kept`)
    await server.restart()
    await refusal(join(directory, 'there'))
    expect(await program.ask('flock', 'f', 'exclusive', 'wait')).to.equal('EIO')
    await program.kill('SIGKILL')
    const told = await home.coffer('status')
    expect(told.status).to.equal(1)
    expect(told.stdout).to.include("THE SERVER'S CERTIFICATE IS NOT TRUSTED")
    await logged('--fingerprint')
    await rm(tls, { recursive: true })
    await rename(`${tls}.kept`, tls)
    await server.restart()
    await until('the mount is well again', async () => {
      await readdir(join(directory, 'there')).catch(() => undefined)
      return (await home.coffer('status')).status === 0
    })
    await unmount()
  })

  it('goes on by itself once a login has accepted another certificate, and says so', async () => {
    const { directory, logged, unmount, pid } = await home.mount()
    await writeFile(join(directory, 'before'), 'kept')
    const before = await pid()
    await rename(join(server.data, 'tls'), join(server.data, 'tls.kept'))
    await server.restart()
    await refusal(directory)
    const ca = await readFile(server.caFile, 'utf8')
    await home.login((url) => approve(url, { ...server, ca }))
    await logged('told of a new login')
    expect(await readFile(join(directory, 'before'), 'utf8')).to.equal('kept')
    expect((await home.coffer('status')).status).to.equal(0)
    await writeFile(join(directory, 'after'), 'the login')
    expect(await pid()).to.equal(before)
    await logged('a login has decided')
    await unmount()
    await rm(join(server.data, 'tls'), { recursive: true })
    await rename(join(server.data, 'tls.kept'), join(server.data, 'tls'))
    await server.restart()
  })
})
