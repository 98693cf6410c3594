import { appendFile, chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended } from '../../support/is-running.js'
import { logged } from '../../support/logged.js'
import { approve } from '../../support/login.js'
import { isMounted, type Machine, type Mount, machine } from '../../support/mount.js'
import { outcome, root, run, start } from '../../support/process.js'
import { program } from '../../support/program.js'
import { startServer, type TestServer } from '../../support/server.js'
import { until } from '../../support/until.js'
import { locker } from '../locker.js'

describe('the mount command', function () {
  this.timeout(120_000)

  let server: TestServer
  let home: Machine

  before(async function () {
    this.timeout(60_000)
    server = await startServer({ env: { COFFER_ACCESS_TOKEN_LIFETIME: '4' } })
  })
  after(() => server?.remove())
  beforeEach(async () => {
    home = await machine(server)
    await home.login()
  })
  afterEach(() => home.remove())

  const keptTokens = async () => {
    const accounts = join(home.home, 'config', 'accounts')
    const [account = ''] = await readdir(accounts)
    return JSON.parse(await readFile(join(accounts, account, 'tokens.json'), 'utf8'))
  }
  const failure = async (...parameters: string[]): Promise<string> => {
    const { status: code, stderr } = await home.coffer(...parameters)
    expect(code, stderr).to.equal(1)
    expect(stderr).to.not.match(/\n\s+at /)
    return stderr
  }

  it('returns once the mount can be used, is listed, tells its state, unmounts', async () => {
    const { directory, unmount, pid } = await home.mount()
    await writeFile(join(directory, 'a'), 'text')
    await readFile(join(directory, 'a'))
    const { mounts, logins } = await until("others' changes come at once", async () => {
      const now = await home.status()
      return now.mounts[0]?.changes === 'live' && now
    })
    expect(mounts[0]).to.deep.include({
      directory,
      connection: { state: 'connected' },
      login: { state: 'alive' },
      pending: { bytes: 0, files: 0 },
    })
    expect(mounts[0]?.requests).to.include({ failed: 0 })
    expect(mounts[0]?.requests.sent).to.be.above(0)
    expect(mounts[0]?.requests.medianMilliseconds).to.be.above(0)
    expect(logins[0]).to.include({ server: server.issuer, login: 'kept' })
    expect((await home.coffer('list')).stdout).to.equal(`${directory}\t${server.issuer}\n`)
    const told = (await home.coffer('status')).stdout
    expect(told)
      .to.include('  logged in\n')
      .and.match(/^ {2}read: .* from the server/m)
    const json = JSON.parse((await home.coffer('status', '--json')).stdout)
    expect(json.mounts[0]).to.deep.include({ directory, connection: mounts[0]?.connection })
    expect(json.logins).to.deep.equal(logins)
    const process_ = await pid()
    await unmount()
    expect(await isMounted(directory)).to.equal(false)
    await ended(process_)
    expect((await home.status()).mounts).to.deep.equal([])
  })

  it('keeps its log and its socket from others', async () => {
    const { unmount } = await home.mount()
    const [mount] = (await home.status()).mounts
    expect((await stat(mount?.log ?? '')).mode & 0o777).to.equal(0o600)
    const sockets = join(home.home, 'state', 'mounts')
    expect((await stat(sockets)).mode & 0o777).to.equal(0o700)
    await logged(mount?.log ?? '', '"msg":"mounted"')
    await unmount()
  })

  it('has malloc(3) give back at once what has the length of a buffer and is free', async () => {
    const { unmount, pid } = await home.mount()
    const environment = await readFile(`/proc/${await pid()}/environ`, 'latin1')
    expect(environment.split('\0')).to.include('MALLOC_MMAP_THRESHOLD_=131072')
    await unmount()
  })

  it('ends cleanly when somebody else unmounts', async () => {
    const { directory, pid } = await home.mount()
    const process_ = await pid()
    const fusermount = start('fusermount3', ['-u', directory])
    await fusermount.ended
    await ended(process_)
    expect((await home.status()).mounts).to.deep.equal([])
  })

  it('stays in the foreground if asked, and ends with Ctrl-C', async () => {
    const directory = join(home.home, 'front')
    await mkdir(directory)
    const env = {
      HOME: home.home,
      COFFER_CA: server.caFile,
      COFFER_CONFIG_DIR: join(home.home, 'config'),
      COFFER_STATE_DIR: join(home.home, 'state'),
      COFFER_TOKEN_STORE: 'file',
    }
    const parameters = [...program('client'), 'mount', '--foreground', server.issuer, directory]
    const running = start(process.execPath, parameters, { env })
    await running.printed(/is mounted on/)
    expect(await isMounted(directory)).to.equal(true)
    await running.stop('SIGINT')
    expect(running.child.exitCode).to.equal(0)
    expect(await isMounted(directory)).to.equal(false)
  })

  it('clears away a mount whose process was killed', async () => {
    const first = await home.mount()
    const pid = await first.pid()
    process.kill(pid, 'SIGKILL')
    await ended(pid)
    const told = await home.coffer('status')
    expect(told.status).to.equal(1)
    expect(told.stdout).to.include(`ITS PROCESS (${pid}) HAS ENDED`)
    const again = await home.mount()
    await writeFile(join(again.directory, 'alive'), '')
    await again.unmount()
  })

  it('unmounts what a killed process has left', async () => {
    const { directory, pid, unmount } = await home.mount()
    const killed = await pid()
    process.kill(killed, 'SIGKILL')
    await ended(killed)
    await unmount()
    expect(await isMounted(directory)).to.equal(false)
  })

  it('does not unmount what is in use, and says so', async () => {
    const { directory, unmount } = await home.mount()
    const user = start('sleep', ['60'], { cwd: directory })
    expect(await failure('unmount', directory)).to.include('in use')
    expect(await isMounted(directory)).to.equal(true)
    await user.stop('SIGKILL')
    await unmount()
  })

  it('says what is wrong with a mount point', async () => {
    const missing = join(home.home, 'missing')
    expect(await failure('mount', missing)).to.include(`mkdir -p ${missing}`)
    const file = join(home.home, 'file')
    await writeFile(file, '')
    expect(await failure('mount', file)).to.include('not a directory')
    expect(await failure('mount', home.home)).to.include('not empty')
    const { directory, unmount } = await home.mount()
    expect(await failure('mount', directory)).to.include('already mounted')
    await unmount()
    expect(await failure('unmount', directory)).to.include('Nothing is mounted')
  })

  it('says what is wrong with a server', async () => {
    const directory = join(home.home, 'empty')
    await mkdir(directory)
    expect(await failure('mount', 'https://localhost:9', directory)).to.include('make serve')
    expect(await failure('mount', 'https://nowhere.invalid', directory)).to.match(
      /no host|looked up/,
    )
    expect(await failure('mount', 'http://localhost', directory)).to.include('https')
    expect(await failure('mount', '--remote', '/missing', directory)).to.include(
      'no folder /missing',
    )
  })

  it('takes away from what is shown what --umask names, and keeps it on the server', async () => {
    const { directory } = await home.mount({ flags: ['--umask', '027'] })
    await writeFile(join(directory, 'masked'), '')
    await chmod(join(directory, 'masked'), 0o777)
    expect((await stat(join(directory, 'masked'))).mode & 0o777).to.equal(0o750)
    const { directory: plain } = await home.mount({ directory: join(home.home, 'plain') })
    expect((await stat(join(plain, 'masked'))).mode & 0o777).to.equal(0o777)
    expect(await failure('mount', '--umask', '8', join(home.home, 'nowhere'))).to.include('octal')
  })

  it('shows at once that writing took set-user-ID away', async () => {
    const { directory } = await home.mount()
    const program = join(directory, 'program')
    await writeFile(program, 'x')
    await chmod(program, 0o4755)
    const mode = () => run('stat', ['--format=%a', program]) // asks for nothing but the mode
    expect(await mode()).to.equal('4755\n')
    await appendFile(program, 'y')
    expect(await mode()).to.equal('755\n')
  })

  // The kernel holds a lock of the program meanwhile, for which whoever looks at its descriptors waits (proc_pid_fd(5)).
  it('answers an execve(2) that closes a file', async () => {
    const { directory } = await home.mount()
    const program =
      'import os, sys; os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY); os.execv("/bin/true", ["true"])'
    await run('python3', ['-c', program, join(directory, 'closed')])
    expect(await readFile(join(directory, 'closed'), 'utf8')).to.equal('')
  })

  it('shows files as those of --uid and --gid', async () => {
    const { directory } = await home.mount({ flags: ['--uid', '4321', '--gid', '8765'] })
    expect(await stat(directory)).to.include({ uid: 4321, gid: 8765 })
  })

  it('runs no program with --no-exec', async () => {
    const { directory } = await home.mount({ flags: ['--no-exec'] })
    const script = join(directory, 'script')
    await writeFile(script, '#!/bin/sh\n', { mode: 0o755 })
    const error: unknown = await run(script, []).catch((caught: unknown) => caught)
    expect(error).to.have.property('code', 'EACCES')
    const { directory: plain } = await home.mount({ directory: join(home.home, 'plain') })
    expect(await run(join(plain, 'script'), [])).to.equal('')
  })

  it('mounts a folder of the server, read-only', async () => {
    const all = await home.mount()
    await mkdir(join(all.directory, 'photos'))
    await writeFile(join(all.directory, 'photos', 'a'), 'picture')
    const directory = join(home.home, 'photos')
    const part = await home.mount({ directory, flags: ['--remote', '/photos', '--read-only'] })
    expect(await readFile(join(directory, 'a'), 'utf8')).to.equal('picture')
    const error: unknown = await writeFile(join(directory, 'b'), '').catch(
      (caught: unknown) => caught,
    )
    expect(error).to.have.property('code', 'EROFS')
    await part.unmount()
    await all.unmount()
  })

  it('works on while access tokens expire', async () => {
    const { directory, unmount } = await home.mount()
    const end = Date.now() + 6_000
    for (let count = 0; Date.now() < end; count++) {
      await writeFile(join(directory, `expiry-${count % 5}`), String(count))
      expect(await readFile(join(directory, `expiry-${count % 5}`), 'utf8')).to.equal(String(count))
    }
    expect((await home.status()).mounts[0]?.login.state).to.equal('alive')
    await unmount()
  })

  it('goes on when the server was killed and started again', async () => {
    const { directory, unmount } = await home.mount()
    await writeFile(join(directory, 'before'), 'x')
    await server.stop('SIGKILL')
    const writing = writeFile(join(directory, 'meanwhile'), 'kept')
    await until(
      'the mount says that the server is away',
      async () => (await home.status()).mounts[0]?.connection.state === 'away',
    )
    expect((await home.coffer('status')).status).to.equal(1)
    await server.restart()
    await writing
    expect(await readFile(join(directory, 'meanwhile'), 'utf8')).to.equal('kept')
    expect((await home.status()).mounts[0]?.connection.state).to.equal('connected')
    await unmount()
  })

  it('says that the server is away, and since when, though nobody asks for a file', async () => {
    const { directory, unmount } = await home.mount()
    await until('it listens', async () => (await home.status()).mounts[0]?.changes === 'live')
    await server.stop('SIGKILL')
    const { since = '', trouble = '' } = await until('the mount says so', async () => {
      const connection = (await home.status()).mounts[0]?.connection
      return connection?.state === 'away' && connection
    })
    expect(Date.now() - Date.parse(since)).to.be.within(0, 30_000)
    expect(trouble).to.include(new URL(server.issuer).host)
    const told = await home.coffer('status')
    expect(told.stdout).to.include(`THE SERVER IS AWAY since ${since}`)
    expect(told.status).to.equal(1)
    await server.restart()
    await until(
      'it is back, though still nobody asks',
      async () => (await home.status()).mounts[0]?.connection.state === 'connected',
    )
    expect(await readdir(directory)).to.be.an('array')
    await unmount()
  })

  it('says EACCES when the login is over, and coffer login revives it without a remount', async () => {
    const { directory, unmount } = await home.mount()
    await writeFile(join(directory, 'mine'), 'kept')
    const config = join(home.home, 'config')
    const saved = join(home.home, 'saved')
    await start('cp', ['-a', config, saved]).ended
    expect((await home.coffer('logout')).status).to.equal(0)
    await start('cp', ['-a', saved, config]).ended
    await until('operations say EACCES', async () => {
      const error: unknown = await writeFile(join(directory, 'more'), '').catch(
        (caught: unknown) => caught,
      )
      return error instanceof Error && 'code' in error && error.code === 'EACCES'
    })
    const [mount] = (await home.status()).mounts
    expect(mount?.login.state).to.equal('dead')
    expect(mount?.login.message).to.include('coffer login')
    await logged(mount?.log ?? '', 'coffer login')
    await home.login()
    await until(
      'the mount lives again',
      async () => (await readFile(join(directory, 'mine'), 'utf8').catch(() => '')) === 'kept',
    )
    // What the kernel still has of a file can be read a moment before.
    await until(
      'its login is known',
      async () => (await home.status()).mounts[0]?.login.state === 'alive',
    )
    await until('it listens again', async () => (await home.status()).mounts[0]?.changes === 'live')
    await unmount()
  })

  it('says EACCES at the next operation after a logout elsewhere', async () => {
    const { directory, pid, unmount } = await home.mount()
    const mounted = await pid()
    const file = join(directory, 'over-a-channel')
    await writeFile(file, 'x')
    const program = locker()
    expect(await program.ask('open', 'f', file)).to.equal('ok')
    const { refresh_token } = await keptTokens()
    const form = { token: refresh_token, client_id: 'coffer' }
    expect(await statusOf(server, '/revoke', form)).to.equal(200)
    const error: unknown = await mkdir(join(directory, 'next')).catch((caught: unknown) => caught)
    expect(error).to.include({ code: 'EACCES' })
    expect(await program.ask('flock', 'f', 'exclusive', 'wait')).to.equal('EACCES')
    await program.kill('SIGKILL')
    const [{ log = '' } = {}] = (await home.status()).mounts
    await unmount()
    await ended(mounted)
    expect(await readFile(log, 'utf8')).not.to.include('the server is away')
  })

  it('works with tokens that are bound to a key (RFC 9449), also while they expire', async () => {
    await home.coffer('logout')
    const { directory, unmount } = await home.mount()
    const end = Date.now() + 6_000
    for (let count = 0; Date.now() < end; count++) {
      await writeFile(join(directory, `bound-${count % 5}`), String(count))
      expect(await readFile(join(directory, `bound-${count % 5}`), 'utf8')).to.equal(String(count))
    }
    const tokens = await keptTokens()
    expect(tokens.token_type).to.equal('DPoP')
    const stolen = await fetchWith(server, `Bearer ${tokens.access_token}`)
    expect(stolen).to.equal(401)
    await unmount()
  })

  it('revokes the login that coffer login replaces', async () => {
    await home.login(undefined, ['--no-dpop'])
    const replaced = await keptTokens()
    await home.login(undefined, ['--no-dpop'])
    const form = { client_id: 'coffer' }
    const redeemed = async ({ refresh_token }: { refresh_token: string }) =>
      statusOf(server, '/token', { ...form, grant_type: 'refresh_token', refresh_token })
    expect(await redeemed(replaced)).to.equal(400)
    expect(await redeemed(await keptTokens())).to.equal(200)
  })

  it('goes on with the new login where that replaces the one of a mount', async () => {
    const { directory, unmount } = await home.mount()
    await writeFile(join(directory, 'before'), 'x')
    await home.login()
    for (const name of ['a', 'b', 'c']) {
      await writeFile(join(directory, name), name)
      expect(await readFile(join(directory, name), 'utf8')).to.equal(name)
    }
    expect((await home.status()).mounts[0]?.login.state).to.equal('alive')
    await unmount()
  })

  it('does not go on as somebody else who has logged in since, and goes on after a login of its own account', async () => {
    const maria = { username: 'maria', password: 'the password of maria' }
    const add = [...program('server'), 'user', 'add', maria.username, '--password-stdin']
    const env = { COFFER_DATA: server.data }
    const added = await outcome(process.execPath, add, { cwd: root, env, input: maria.password })
    expect(added.status, added.stderr).to.equal(0)
    const { directory, unmount } = await home.mount()
    await mkdir(join(directory, 'of-admin'))
    await home.login((url) => approve(url, { ...server, ...maria }))
    const error: unknown = await mkdir(join(directory, 'next')).catch((caught: unknown) => caught)
    expect(error).to.include({ code: 'EACCES' })
    expect((await home.status()).mounts[0]?.login).to.include({ state: 'dead' })
    await home.login()
    await until('the mount lives again', () =>
      mkdir(join(directory, 'later')).then(
        () => true,
        () => false,
      ),
    )
    expect(await readdir(directory)).to.include.members(['of-admin', 'later'])
    await unmount()
  })

  it('lets two mounts and commands of one account refresh the login without ending it', async () => {
    const one = await home.mount()
    const other = await home.mount({ directory: join(home.home, 'other') })
    const end = Date.now() + 12_000
    const work = async (mount: Mount, name: string): Promise<void> => {
      for (let count = 0; Date.now() < end; count++) {
        await writeFile(join(mount.directory, name), String(count))
        expect(await readFile(join(mount.directory, name), 'utf8')).to.equal(String(count))
      }
    }
    await Promise.all([work(one, 'by-one'), work(other, 'by-other')])
    const third = await home.mount({ directory: join(home.home, 'third') })
    const { mounts } = await home.status()
    expect(mounts.map(({ login }) => login.state)).to.deep.equal(['alive', 'alive', 'alive'])
    for (const mount of [one, other, third]) await mount.unmount()
  })

  it('mounts over fuse-native if asked, and tells its limits', async () => {
    const directory = join(home.home, 'native')
    await mkdir(directory)
    const { status: code, stderr } = await home.coffer(
      'mount',
      '--binding',
      'fuse-native',
      directory,
    )
    expect(code, stderr).to.equal(0)
    expect(stderr).to.include('Times are in milliseconds')
    await writeFile(join(directory, 'native'), 'kept')
    expect(await readFile(join(directory, 'native'), 'utf8')).to.equal('kept')
    expect((await home.coffer('unmount', directory)).status).to.equal(0)
  })

  it('uploads no faster than the limit', async () => {
    const { directory, unmount } = await home.mount({ flags: ['--limit-rate', '256k'] })
    const begun = performance.now()
    await writeFile(join(directory, 'one piece'), Buffer.alloc(1024 * 1024, 'x'))
    expect(performance.now() - begun).to.be.greaterThan(3_900)
    await unmount()
  })
})

/** The status of a request that carries only this. */
function fetchWith(server: TestServer, authorization: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const url = new URL('/files/', server.issuer)
    request(url, { ca: server.ca, headers: { authorization } }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .once('error', reject)
      .end()
  })
}

function statusOf(server: TestServer, path: string, form: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    request(new URL(path, server.issuer), { method: 'POST', ca: server.ca, headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
      .once('error', reject)
      .end(new URLSearchParams(form).toString())
  })
}
