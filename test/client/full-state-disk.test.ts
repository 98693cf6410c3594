import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { isMounted, type Machine, machine } from '../support/mount.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { type SmallDisk, smallDisk } from '../support/small-disk.js'

describe('a mount whose state directory has no room', function () {
  this.timeout(120_000)
  let server: TestServer
  let disk: SmallDisk
  let here: Machine

  before(async function () {
    requires(this, 'fuse', 'root')
    server = await startServer()
    disk = await smallDisk('full-state', 1 << 20)
    here = await machine(server, { env: { COFFER_STATE_DIR: join(disk.directory, 'state') } })
    await here.login()
  })
  after(async () => {
    await here?.remove()
    await disk?.remove()
    await server?.remove()
  })

  it('works, and is found by commands', async () => {
    await disk.fill()
    const mount = await here.mount()
    await writeFile(join(mount.directory, 'f'), 'text')
    expect(await readFile(join(mount.directory, 'f'), 'utf8')).to.equal('text')
    expect((await here.coffer('list')).stdout).to.include(mount.directory)
    await mount.unmount()
    expect(await isMounted(mount.directory)).to.equal(false)
    expect((await here.coffer('list')).stdout).to.equal('')
  })
})
