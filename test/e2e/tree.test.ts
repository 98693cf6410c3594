import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { realTree } from '../support/tree.js'
import { until } from '../support/until.js'

const SLOW = 300_000

describe('a real tree on the mount', () => {
  let server: TestServer
  let home: Machine
  let tree: { path: string; entries: number }

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    tree = await realTree()
    server = await startServer()
    home = await machine(server)
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  it('is the same after cp -a, unmount and mount again', async () => {
    expect(tree.entries).to.be.above(2000)
    const mount = await home.mount()
    await run('cp', ['-a', tree.path, join(mount.directory, 'npm')], { timeoutMilliseconds: SLOW })
    await mount.unmount()
    const again = await home.mount()
    const copy = join(again.directory, 'npm')
    expect(await run('diff', ['-r', '--no-dereference', tree.path, copy])).to.equal('')
    expect(await listing(copy)).to.equal(await listing(tree.path))
    await again.unmount()
  }).timeout(SLOW)

  it('disappears with rm -rf', async () => {
    const mount = await home.mount()
    await run('rm', ['-rf', join(mount.directory, 'npm')], { timeoutMilliseconds: SLOW })
    expect(await readdir(mount.directory)).to.deep.equal([])
    await mount.unmount()
  }).timeout(SLOW)

  it('is copied to the end when the server is killed and started again on the way', async () => {
    const mount = await home.mount()
    const target = join(mount.directory, 'killed')
    const copying = run('cp', ['-a', tree.path, target], { timeoutMilliseconds: SLOW })
    await until('the copy is on its way', async () => {
      const there = await readdir(join(target, 'node_modules')).catch(() => [])
      return there.length >= 10
    })
    await server.stop('SIGKILL')
    await server.restart()
    await copying
    await mount.unmount()
    const again = await home.mount()
    expect(
      await run('diff', ['-r', '--no-dereference', tree.path, join(again.directory, 'killed')]),
    ).to.equal('')
    await again.unmount()
  }).timeout(SLOW)
})

describe('with access tokens of five seconds', () => {
  let server: TestServer
  let home: Machine

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    server = await startServer({ env: { COFFER_ACCESS_TOKEN_LIFETIME: '5' } })
    home = await machine(server)
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  it('a copy that takes longer runs without an error', async () => {
    const tree = await realTree()
    const mount = await home.mount()
    const began = Date.now()
    const copies: string[] = []
    while (Date.now() - began < 7_000) {
      const copy = join(mount.directory, `copy${copies.length}`)
      await run('cp', ['-a', tree.path, copy], { timeoutMilliseconds: SLOW })
      copies.push(copy)
    }
    for (const copy of [copies[0], copies.at(-1)])
      expect(await run('diff', ['-r', '--no-dereference', tree.path, `${copy}`])).to.equal('')
    await mount.unmount()
  }).timeout(SLOW)
})

describe('two mounts of one account', () => {
  let server: TestServer
  let laptop: Machine
  let desktop: Machine

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    server = await startServer()
    laptop = await machine(server)
    desktop = await machine(server)
  })
  after(async () => {
    await laptop?.remove()
    await desktop?.remove()
    await server?.remove()
  })

  it('see what the other makes, changes, renames and removes', async () => {
    const here = (await laptop.mount()).directory
    const there = (await desktop.mount()).directory
    const seen = (name: string) => readFile(join(there, name), 'utf8').catch(() => undefined)

    expect(await seen('note')).to.equal(undefined)
    await writeFile(join(here, 'note'), 'first')
    await until('the other mount has the new file', async () => (await seen('note')) === 'first')
    await writeFile(join(here, 'note'), 'second, longer')
    await until(
      'the other mount has the change',
      async () => (await seen('note')) === 'second, longer',
    )
    await run('mv', [join(here, 'note'), join(here, 'renamed')])
    await until(
      'the other mount has the rename',
      async () => (await readdir(there)).join() === 'renamed' && (await seen('note')) === undefined,
    )
    await run('rm', [join(here, 'renamed')])
    await until('the other mount has the removal', async () => (await readdir(there)).length === 0)
  }).timeout(120_000)

  it('append to one file without losing a line', async () => {
    const [here, there] = [join(laptop.home, 'mount', 'log'), join(desktop.home, 'mount', 'log')]
    await writeFile(here, '')
    const append = (path: string, who: string) =>
      run('sh', ['-c', `for i in $(seq 50); do echo ${who}$i >> "$0"; done`, path])
    await Promise.all([append(here, 'a'), append(there, 'b')])
    const lines = await until('all hundred lines are there', async () => {
      const text = await readFile(here, 'utf8')
      return text.split('\n').length > 100 && text.trim().split('\n')
    })
    const expected = ['a', 'b'].flatMap((who) =>
      Array.from({ length: 50 }, (_, i) => `${who}${i + 1}`),
    )
    expect(lines.sort()).to.deep.equal(expected.sort())
  }).timeout(120_000)

  it('make a file with O_EXCL once', async () => {
    const lock = (at: Machine) =>
      run('sh', ['-c', 'set -C; echo mine > "$0"', join(at.home, 'mount', 'lock')]).then(
        () => 1,
        () => 0,
      )
    for (let round = 0; round < 10; round++) {
      const winners = await Promise.all([lock(laptop), lock(desktop)])
      expect(winners[0] + winners[1]).to.equal(1)
      await run('rm', [join(laptop.home, 'mount', 'lock')])
      await until(
        'the lock is gone everywhere',
        async () => !(await readdir(join(desktop.home, 'mount'))).includes('lock'),
      )
    }
  }).timeout(120_000)
})

/** Every entry with its type, permissions, size, modification time in nanoseconds and target. */
function listing(directory: string): Promise<string> {
  return run('sh', [
    '-c',
    `cd "$0" && find . ! -type d -printf '%P %y %m %s %T@ %l\\n' | sort; find . -type d -printf '%P %m %T@\\n' | sort`,
    directory,
  ])
}
