import { cp, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { approve } from '../support/login.js'
import { isMounted } from '../support/mount.js'
import { type Running, root, run, start } from '../support/process.js'
import { requires } from '../support/requires.js'

const PARTS = ['Makefile', 'package.json', 'package-lock.json', 'tsconfig.json', 'scripts']
const SOURCES = ['server', 'client', 'oauth', 'views']
/** Optional packages that a machine without a compiler or libsecret goes without. */
const NOT_BUILT = ['keytar', 'fuse-native', 'koffi']

describe('somebody new types the two commands of the README', () => {
  let home = ''
  let checkout = ''
  let mountPoint = ''
  let env: NodeJS.ProcessEnv = {}
  let serving: Running
  let issuer = ''
  let password = ''

  /** The packages are there already: installing them is not what this is about. */
  const make = (...parameters: string[]): Running =>
    start('make', ['-o', 'node_modules', ...parameters], { cwd: checkout, env })

  before(async function () {
    requires(this, 'fuse')
    this.timeout(120_000)
    home = await temporaryDirectory('newcomer')
    checkout = join(home, 'coffer') // where "git clone" puts it
    await mkdir(checkout)
    for (const part of [...PARTS, ...SOURCES])
      await cp(join(root, part), join(checkout, part), { recursive: true })
    const packages = join(checkout, 'node_modules')
    await mkdir(packages)
    for (const name of await readdir(join(root, 'node_modules')))
      if (!NOT_BUILT.includes(name))
        await symlink(join(root, 'node_modules', name), join(packages, name))
    mountPoint = join(home, 'files')
    env = {
      HOME: home,
      COFFER_PORT: '0',
      COFFER_TOKEN_STORE: 'file',
      XDG_CONFIG_HOME: '',
      XDG_STATE_HOME: '',
      XDG_DATA_HOME: '',
      DISPLAY: '',
      WAYLAND_DISPLAY: '',
      NODE_ENV: '',
      MAKEFLAGS: '',
      MAKELEVEL: '',
    }
  })
  after(async () => {
    if (mountPoint !== '' && (await isMounted(mountPoint)))
      await run('fusermount3', ['-u', '-z', mountPoint])
    await serving?.stop()
    await removeDirectory(home)
  })

  it('make serve: builds, shows the one-time password, serves', async () => {
    serving = make('serve')
    issuer = (await serving.printed(/^Coffer is serving (https:\S+)$/m, 120_000))[1] ?? ''
    password = /the password (\S+)/.exec(serving.log())?.[1] ?? ''
    expect(issuer).to.match(/^https:\/\/localhost:\d+$/)
    expect(password).to.have.length.at.least(12)
    const { mode } = await stat(join(checkout, '.coffer', 'data'))
    expect(mode & 0o777).to.equal(0o700)
    // so that a symbolic link makes it a command, as for mount(8)
    const command = await stat(join(checkout, 'dist', 'client', 'main.js'))
    expect(command.mode & 0o111).to.equal(0o111)
  }).timeout(180_000)

  it('make mount without koffi: trusts this server, logs in, says what is missing', async () => {
    const mounting = make('mount', 'MNT=~/files', `SERVER=${issuer}`)
    const [, url = ''] = await mounting.printed(/^\s*(https:\/\/\S+\/authorize\?\S+)\s*$/m, 120_000)
    const ca = await readFile(join(checkout, '.coffer', 'data', 'tls', 'ca.pem'), 'utf8')
    await approve(url, { issuer, ca, username: 'admin', password })
    await mounting.ended
    expect(mounting.child.exitCode).not.to.equal(0)
    expect(mounting.log()).to.match(/koffi is not installed\. Run "npm install koffi"/)
  }).timeout(180_000)

  it('make mount with it: mounts', async () => {
    await symlink(join(root, 'node_modules', 'koffi'), join(checkout, 'node_modules', 'koffi'))
    const mounting = make('mount', 'MNT=~/files', `SERVER=${issuer}`)
    await mounting.ended
    expect(mounting.child.exitCode, mounting.log()).to.equal(0)
    await writeFile(join(mountPoint, 'hello'), 'remote')
    expect(await run('cat', [join(mountPoint, 'hello')])).to.equal('remote')
  }).timeout(180_000)

  it('make unmount', async () => {
    const unmounting = make('unmount', `MNT=${mountPoint}`)
    await unmounting.ended
    expect(unmounting.child.exitCode, unmounting.log()).to.equal(0)
    expect(await isMounted(mountPoint)).to.equal(false)
  }).timeout(60_000)

  it('takes a directory as it is named, whatever is in it, but for "~/"', async () => {
    const name = 'my  "files" ~/of $HOME and `id`'
    const unmounting = make('unmount', `MNT=~/${name}`)
    await unmounting.ended
    expect(unmounting.log()).to.include(`Nothing is mounted on ${join(home, name)};`)
  }).timeout(60_000)

  it('a second make builds nothing', async () => {
    expect(await run('make', ['-o', 'node_modules', 'build'], { cwd: checkout, env })).to.match(
      /Nothing to be done|^$/,
    )
  })

  it('Ctrl-C ends the server and says nothing bad', async () => {
    serving.child.kill('SIGTERM')
    await serving.ended
    expect(serving.log()).to.not.match(/^\s+at /m)
  }).timeout(60_000)
})
