import { chmod, chown, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { privateDirectory } from '../../../client/atomic-file.js'
import { prepareCache, refuseInside } from '../../../client/commands/local-storage.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { isMounted, type Machine, machine } from '../../support/mount.js'
import { root, run } from '../../support/process.js'
import { requires } from '../../support/requires.js'
import { startServer, type TestServer } from '../../support/server.js'

const failed = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  )

describe('a directory that coffer makes for itself', () => {
  let base: string

  beforeEach(async () => {
    base = await temporaryDirectory('private')
  })
  afterEach(() => removeDirectory(base))

  it('is made with all its parents, and may be there', async () => {
    await privateDirectory(join(base, 'a', 'b', 'c'))
    await privateDirectory(join(base, 'a', 'b', 'c'))
    await writeFile(join(base, 'a', 'b', 'c', 'file'), '')
  })

  it('cannot be where nothing can be made, which does not take for ever', async () => {
    const error = await failed(privateDirectory('/proc/coffer/cache'))
    expect(error).to.have.property('code', 'ENOENT')
  })

  it('is no cache if it is a file, or other users may put something into it', async () => {
    const uid = process.getuid?.() ?? 0
    const cases: [string, () => Promise<void>, RegExp][] = [
      ['file', () => writeFile(join(base, 'file'), ''), /cannot be the cache: EEXIST/],
      ['open', () => mkdir(join(base, 'open')), /others may write to it \(mode 777\)/],
      ['/proc/coffer/cache', async () => {}, /cannot be the cache: ENOENT/],
      ['/sys/coffer', async () => {}, /cannot be the cache: E(ROFS|PERM|ACCES)/],
    ]
    for (const [name, make, expected] of cases) {
      const path = join(name.startsWith('/') ? '/' : base, name)
      await make()
      if (name === 'open') await chmod(path, 0o777)
      expect((await failed(prepareCache(path, uid))).message).to.match(expected)
    }
    await prepareCache(join(base, 'own', 'cache'), uid)
  })

  it('is no cache if it is somebody else’s', async function () {
    requires(this, 'root')
    await chown(base, 12345, 12345)
    expect((await failed(prepareCache(base, 0))).message).to.include('another user (12345)')
  })

  it('is found inside the mount through symbolic links, too', async () => {
    await mkdir(join(base, 'mount'))
    await symlink(join(base, 'mount'), join(base, 'link'))
    const cache = { 'the cache': join(base, 'link', 'not', 'there') }
    expect((await failed(refuseInside(join(base, 'mount'), cache))).message).to.include('the cache')
    await refuseInside(join(base, 'mount'), { 'the cache': join(base, 'mounted'), none: undefined })
  })
})

describe('a mount that cannot keep what it was asked to', function () {
  this.timeout(120_000)

  let server: TestServer
  let home: Machine
  const NO_KOFFI = `--require ${join(root, 'test', 'support', 'without-koffi.cjs')}`

  before(async function () {
    requires(this, 'fuse')
    server = await startServer()
  })
  after(() => server?.remove())
  afterEach(() => home?.remove())

  it('is refused where --write-back can have no journal, for want of koffi', async () => {
    home = await machine(server, { env: { NODE_OPTIONS: NO_KOFFI } })
    await home.login()
    const directory = join(home.home, 'mount')
    await mkdir(directory)
    const native = ['mount', '--binding', 'fuse-native', '--write-back', directory]
    const { status, stderr } = await home.coffer(...native)
    expect(status).to.equal(1)
    expect(stderr).to.include('--write-back needs the package koffi')
    expect(await isMounted(directory)).to.equal(false)
  })

  it('says on the terminal that there is no cache, for want of koffi', async () => {
    home = await machine(server, { env: { NODE_OPTIONS: NO_KOFFI } })
    await home.login()
    const directory = join(home.home, 'mount')
    await mkdir(directory)
    const cache = join(home.home, 'cache')
    const native = ['mount', '--binding', 'fuse-native', '--cache-dir', cache, directory]
    const { status, stderr } = await home.coffer(...native)
    expect(status, stderr).to.equal(0)
    expect(stderr).to.match(
      /Warning: .*cache cannot be used as a cache.*koffi is not installed[\s\S]*is mounted on/,
    )
    expect((await home.coffer('unmount', directory)).status).to.equal(0)
  })

  it('says on the terminal that there is no journal', async () => {
    home = await machine(server)
    const { unmount } = await home.mount()
    await unmount()
    await writeFile(join(home.home, 'state', 'journal'), '')
    const directory = join(home.home, 'mount')
    const { status, stderr } = await home.coffer('mount', '--write-back', directory)
    expect(status, stderr).to.equal(0)
    expect(stderr).to.match(/Warning: there can be no journal here/)
    await writeFile(join(directory, 'a'), 'text')
    expect(await readFile(join(directory, 'a'), 'utf8')).to.equal('text')
    expect((await home.coffer('unmount', directory)).status).to.equal(0)
  })

  it('says in the foreground, too, that there is no journal, and no cache where the disk is full', async function () {
    requires(this, 'root')
    home = await machine(server)
    const { unmount } = await home.mount()
    await unmount()
    await writeFile(join(home.home, 'state', 'journal'), '')
    const full = join(home.home, 'full')
    await mkdir(full)
    // One inode, which the directory itself takes.
    await run('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=1', 'tmpfs', full])
    const directory = join(home.home, 'mount')
    const cache = ['--cache-dir', join(full, 'cache')]
    const running = home.start('mount', '--foreground', '--write-back', ...cache, directory)
    try {
      await running.printed(/is mounted on/)
      expect(running.log())
        .to.match(/^Warning: there can be no journal here/m)
        .and.match(/^Warning: .*full\/cache cannot be used as a cache.*ENOSPC/m)
      await writeFile(join(directory, 'kept'), 'text')
      expect((await home.coffer('unmount', directory)).status).to.equal(0)
    } finally {
      await running.stop('SIGTERM')
      await run('umount', ['-l', full])
    }
  })

  it('is refused if what it needs to work would be inside it', async () => {
    const cases: [what: string, flags: string[], env: NodeJS.ProcessEnv][] = [
      ['the log', ['--log', 'mount/inside'], {}],
      ['the cache', ['--cache-dir', 'mount/inside'], {}],
      ['the state directory', [], { COFFER_STATE_DIR: 'mount/inside' }],
      ['the configuration directory', [], { COFFER_CONFIG_DIR: 'mount/inside' }],
    ]
    for (const [what, flags, env] of cases) {
      home = await machine(server, { env })
      await mkdir(join(home.home, 'mount'))
      const { status, stderr } = await home.coffer('mount', '--no-login', ...flags, 'mount')
      expect([status, stderr]).to.deep.equal([
        1,
        `coffer: ${what} must not be inside the mount: ${join(home.home, 'mount', 'inside')}\n`,
      ])
      await home.remove()
    }
  })
})
