import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { isMounted, type Machine, machine } from '../support/mount.js'
import { type Running, run, start } from '../support/process.js'
import { program } from '../support/program.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

const AUTOMOUNTER = fileURLToPath(new URL('./automounter.py', import.meta.url))

/** As by x-systemd.automount in /etc/fstab. */
describe('a mount that an automounter makes', function () {
  this.timeout(120_000)
  let server: TestServer
  let home: Machine
  let directory: string
  let automounter: Running | undefined

  beforeEach(async function () {
    requires(this, 'fuse', 'root', 'autofs', 'python3')
    server = await startServer()
    home = await machine(server)
    await home.login()
    directory = join(home.home, 'awaited')
    await mkdir(directory)
    const mount = [process.execPath, ...program('client'), 'mount', '--no-login', directory]
    automounter = start('python3', [AUTOMOUNTER, directory, ...mount], {
      env: {
        COFFER_SERVER: server.issuer,
        COFFER_CA: server.caFile,
        COFFER_CONFIG_DIR: join(home.home, 'config'),
        COFFER_STATE_DIR: join(home.home, 'state'),
        COFFER_TOKEN_STORE: 'file',
      },
    })
    await automounter.printed(/^waiting$/m)
  })
  afterEach(async () => {
    // Who still waits for it is let go.
    await automounter?.stop('SIGKILL')
    while (directory !== undefined && (await isMounted(directory)))
      await run('umount', ['--lazy', directory])
    await home?.remove()
    await server?.remove()
  })

  /** In a process of its own, which can be ended while it waits. */
  const listed = () => run('ls', [directory], { timeoutMilliseconds: 60_000 })

  it('is there for who comes, and again after it was unmounted', async () => {
    expect(await listed()).to.equal('')
    await writeFile(join(directory, 'file'), 'x')
    expect((await home.coffer('unmount', directory)).status).to.equal(0)
    expect((await home.coffer('unmount', directory)).stderr).to.include('Nothing is mounted')
    expect(await listed()).to.equal('file\n')
  })

  it('is made first for who would mount there by hand', async () => {
    const { status, stderr } = await home.coffer('mount', directory)
    expect(status).to.equal(1)
    expect(stderr).to.include('Something is already mounted')
    // Who came need not have waited for it.
    await until('it is mounted', async () => (await home.status()).mounts.length === 1)
  })
})
