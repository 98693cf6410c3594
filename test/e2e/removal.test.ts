import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

const SLOW = 120_000

describe('rm -rf on the mount, while the server is killed and comes back', () => {
  let server: TestServer
  let here: Machine
  let there: Machine

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    server = await startServer()
    here = await machine(server)
    there = await machine(server)
  })
  after(async () => {
    await here?.remove()
    await there?.remove()
    await server?.remove()
  })

  it('fails nowhere, and everything is gone, on every machine', async () => {
    const mount = await here.mount()
    const other = await there.mount()
    const tree = join(mount.directory, 'tree')
    for (let d = 0; d < 20; d++) {
      await mkdir(join(tree, `d${d}`), { recursive: true })
      for (let f = 0; f < 20; f++) await writeFile(join(tree, `d${d}`, `f${f}`), 'x')
    }
    const removal = run('rm', ['-rf', tree], { timeoutMilliseconds: SLOW })
    await until('some of it is gone', async () => {
      return (await readdir(tree).catch(() => [])).length < 18
    })
    await server.stop('SIGKILL')
    await server.restart()
    await removal
    expect(await readdir(mount.directory)).to.deep.equal([])
    await until('the other machine sees it', async () => {
      return (await readdir(other.directory)).length === 0
    })
    await mount.unmount()
    const again = await here.mount()
    expect(await readdir(again.directory)).to.deep.equal([])
    await again.unmount()
    await other.unmount()
  }).timeout(SLOW)
})
