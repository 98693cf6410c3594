import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended } from '../support/is-running.js'
import { isMounted, type Machine, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

describe("a mount's process that is told to end", function () {
  this.timeout(60_000)
  let server: TestServer
  let home: Machine

  before(async function () {
    requires(this, 'fuse')
    server = await startServer()
    home = await machine(server)
    await home.login()
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`sends what is written and unmounts on ${signal}`, async () => {
      const mount = await home.mount()
      await writeFile(join(mount.directory, signal), 'kept')
      const pid = await mount.pid()
      process.kill(pid, signal)
      await ended(pid)
      expect(await isMounted(mount.directory)).to.equal(false)
      const again = await home.mount()
      expect(await readFile(join(again.directory, signal), 'utf8')).to.equal('kept')
      await again.unmount()
    })
  }

  it('ends also while a program stays in the mount, once what that has written is sent', async () => {
    const mount = await home.mount()
    const held = await open(join(mount.directory, 'held'), 'w')
    await held.write('kept')
    const pid = await mount.pid()
    process.kill(pid, 'SIGTERM')
    await ended(pid)
    expect(await held.write('lost').catch((error) => error.code)).to.equal('ENOTCONN')
    await held.close().catch(() => {})
    const again = await home.mount()
    expect(await readFile(join(again.directory, 'held'), 'utf8')).to.equal('kept')
    await again.unmount()
  })

  it('ends also where somebody has unmounted it already, and a program stays in it', async () => {
    const mount = await home.mount()
    const held = await open(join(mount.directory, 'left'), 'w')
    await held.write('kept')
    const pid = await mount.pid()
    await run('fusermount3', ['-u', '-z', mount.directory])
    process.kill(pid, 'SIGTERM')
    await ended(pid)
    expect(await held.write('lost').catch((error) => error.code)).to.equal('ENOTCONN')
    await held.close().catch(() => {})
    const again = await home.mount()
    expect(await readFile(join(again.directory, 'left'), 'utf8')).to.equal('kept')
    await again.unmount()
  })
})
