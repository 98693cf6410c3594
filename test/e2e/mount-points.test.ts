import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended } from '../support/is-running.js'
import { isMounted, type Machine, machine } from '../support/mount.js'
import { outcome, run, start } from '../support/process.js'
import { program } from '../support/program.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

describe('coffer mount and unmount', () => {
  let server: TestServer
  let home: Machine

  before(async function () {
    requires(this, 'fuse')
    this.timeout(120_000)
    server = await startServer()
    home = await machine(server)
    await home.login()
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  async function refused(directory: string, message: RegExp): Promise<void> {
    const { status, stderr } = await home.coffer('mount', directory)
    expect(status).to.not.equal(0)
    expect(stderr).to.match(message)
    expect(stderr).to.not.match(/^\s+at /m)
  }

  it('refuses a mount point that is missing, and names it', () =>
    refused(join(home.home, 'missing'), /missing/))

  it('refuses a mount point that is a file', async () => {
    await writeFile(join(home.home, 'file'), '')
    await refused(join(home.home, 'file'), /not a directory|no directory/i)
  })

  it('refuses a mount point that is not empty', async () => {
    await mkdir(join(home.home, 'full'))
    await writeFile(join(home.home, 'full', 'precious'), '')
    await refused(join(home.home, 'full'), /empty/)
    expect(await readdir(join(home.home, 'full'))).to.deep.equal(['precious'])
  })

  it('refuses a mount point that is in use, and leaves the mount alone', async () => {
    const mount = await home.mount({ directory: join(home.home, 'used') })
    await writeFile(join(mount.directory, 'file'), 'x')
    await refused(mount.directory, /mounted|in use|empty/)
    expect(await readdir(mount.directory)).to.deep.equal(['file'])
    await mount.unmount()
    expect(await isMounted(mount.directory)).to.equal(false)
  }).timeout(60_000)

  it('mounts where a symlink leads', async () => {
    await mkdir(join(home.home, 'real'))
    await symlink('real', join(home.home, 'link'))
    const { status, stderr } = await home.coffer('mount', join(home.home, 'link'))
    expect(status, stderr).to.equal(0)
    expect(await isMounted(join(home.home, 'real'))).to.equal(true)
    expect((await home.coffer('unmount', join(home.home, 'link'))).status).to.equal(0)
    expect(await isMounted(join(home.home, 'real'))).to.equal(false)
  }).timeout(60_000)

  it('refuses to unmount what is not mounted', async () => {
    await mkdir(join(home.home, 'idle'))
    const { status, stderr } = await home.coffer('unmount', join(home.home, 'idle'))
    expect(status).to.not.equal(0)
    expect(stderr).to.match(/idle/)
  })

  it("says that another user's mount is not for everybody to unmount", async function () {
    requires(this, 'root')
    const mount = await home.mount({ directory: join(home.home, 'of-root') })
    await chmod(home.home, 0o711)
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath]
    const parameters = [...nobody, ...program('client'), 'unmount', mount.directory]
    const env = { HOME: '/nonexistent', XDG_STATE_HOME: '', XDG_CONFIG_HOME: '' }
    const { status, stderr } = await outcome('setpriv', parameters, { env })
    expect(status).to.equal(1)
    expect(stderr).to.contain("another user's mount, which only that user and root can unmount")
    await mount.unmount()
  }).timeout(60_000)

  it('says which mount a folder is inside of', async () => {
    const mount = await home.mount({ directory: join(home.home, 'around') })
    const folder = join(mount.directory, 'a', 'b')
    await mkdir(folder, { recursive: true })
    const { status, stderr } = await home.coffer('unmount', folder)
    expect(status).to.equal(1)
    expect(stderr).to.contain(
      `${folder} is inside the mount on ${mount.directory}; run: coffer unmount ${mount.directory}`,
    )
    await mount.unmount()
    expect((await home.coffer('unmount', folder)).stderr).to.contain('Nothing is mounted')
  }).timeout(60_000)

  it('does not unmount under a program that is in there, and says so', async () => {
    const mount = await home.mount({ directory: join(home.home, 'busy') })
    const sleeper = start('sleep', ['600'], { cwd: mount.directory })
    const { status, stderr } = await home.coffer('unmount', mount.directory)
    await sleeper.stop()
    expect(status).to.not.equal(0)
    expect(stderr).to.match(/busy|in use|use/i)
    await mount.unmount()
  }).timeout(60_000)

  it('ends when somebody else unmounts', async () => {
    const mount = await home.mount({ directory: join(home.home, 'outside') })
    const pid = await mount.pid()
    await run('fusermount3', ['-u', mount.directory])
    await ended(pid)
  }).timeout(60_000)

  it('cleans up after a mount whose process was killed', async () => {
    const mount = await home.mount({ directory: join(home.home, 'stale') })
    process.kill(await mount.pid(), 'SIGKILL')
    await until('the mount is stale', () =>
      readdir(mount.directory).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ENOTCONN',
      ),
    )
    const again = await home.mount({ directory: join(home.home, 'stale') })
    await writeFile(join(again.directory, 'alive'), '')
    await again.unmount()
  }).timeout(60_000)

  it('mounts read-only with --read-only', async () => {
    const mount = await home.mount({ directory: join(home.home, 'ro'), flags: ['--read-only'] })
    const error = await writeFile(join(mount.directory, 'new'), '').catch((failed) => failed.code)
    expect(error).to.equal('EROFS')
    await mount.unmount()
  }).timeout(60_000)

  it('has everything stored when unmount returns', async () => {
    const mount = await home.mount({ directory: join(home.home, 'flush') })
    await run('sh', ['-c', 'for i in $(seq 200); do echo $i > "$0/n$i"; done', mount.directory])
    await mount.unmount()
    const again = await home.mount({ directory: join(home.home, 'flush') })
    const names = (await readdir(again.directory)).filter((name) => /^n\d+$/.test(name))
    expect(names).to.have.length(200)
    await again.unmount()
  }).timeout(60_000)

  it('says what to do when the server is down', async () => {
    const { status, stderr } = await home.coffer('login', 'https://localhost:9')
    expect(status).to.not.equal(0)
    expect(stderr).to.match(/localhost:9/)
    expect(stderr).to.match(/running|reach|connect|refused/i)
  }).timeout(60_000)

  it('says what to do when the server is no Coffer server', async () => {
    const [key, cert] = [join(home.home, 'key.pem'), join(home.home, 'cert.pem')]
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
    ])
    const other = createServer(
      { key: await readFile(key), cert: await readFile(cert) },
      (_request, response) => response.end('hello'),
    )
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const url = `https://localhost:${(other.address() as AddressInfo).port}`
    const untrusted = await home.coffer('login', url)
    expect(untrusted.status).to.not.equal(0)
    expect(untrusted.stderr).to.match(/certificate|trust/i)
    const trusted = await home.coffer('login', '--ca', cert, url)
    await new Promise((resolve) => other.close(resolve))
    expect(trusted.status).to.not.equal(0)
    expect(trusted.stderr).to.match(/Coffer/)
  }).timeout(60_000)
})
