import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended } from '../support/is-running.js'
import { type Machine, machine } from '../support/mount.js'
import { outcome } from '../support/process.js'
import { program } from '../support/program.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { type SmallDisk, smallDisk } from '../support/small-disk.js'
import { until } from '../support/until.js'

const FILES = Array.from({ length: 60 }, (_, index) => `file ${index}`)

describe('a mount with --write-back whose local disk is full', function () {
  this.timeout(300_000)

  let server: TestServer
  let disk: SmallDisk
  let here: Machine
  let there: Machine

  before(async function () {
    requires(this, 'fuse', 'root')
    server = await startServer()
    disk = await smallDisk('full-local', 24 << 20)
    here = await machine(server, { env: { COFFER_STATE_DIR: join(disk.directory, 'state') } })
    there = await machine(server)
  })
  after(async () => {
    await here?.remove()
    await there?.remove()
    await disk?.remove()
    await server?.remove()
  })

  async function waiting(): Promise<number | undefined> {
    return (await here.status()).mounts[0]?.pending.files
  }

  it('is mounted again when it was killed, and sends nothing twice', async () => {
    const mount = await here.mount({ flags: ['--write-back'] })
    const directory = join(mount.directory, 'd')
    await mkdir(directory)
    for (const name of FILES) await writeFile(join(directory, name), 'old')
    await until('the old files are sent', async () => (await waiting()) === 0)

    // One more file than the account has room for, so that the journal does not go.
    const quota = ['user', 'quota', server.username, '--bytes', '1M']
    const env = { COFFER_DATA: server.data }
    const { status } = await outcome(process.execPath, [...program('server'), ...quota], { env })
    expect(status).to.equal(0)
    for (const name of FILES) await readFile(join(directory, name)) // so that nothing is asked then
    process.kill(server.pid, 'SIGSTOP')
    await writeFile(join(directory, 'too long'), Buffer.alloc(2 << 20))
    for (const name of FILES) await writeFile(join(directory, name), 'ours')
    await disk.fill()
    process.kill(server.pid, 'SIGCONT')
    await until('all is sent that can be', async () => (await waiting()) === 1)
    const pid = await mount.pid()
    process.kill(pid, 'SIGKILL')
    await ended(pid)

    const theirs = await there.mount()
    for (const name of FILES) await writeFile(join(theirs.directory, 'd', name), 'theirs')
    await disk.fill()
    const again = await here.coffer('mount', '--write-back', mount.directory)
    expect(again.status, again.stderr).to.equal(0)
    await writeFile(join(directory, 'at last'), 'x')
    await until('all is sent that can be', async () => (await waiting()) === 1)
    const names = await readdir(join(theirs.directory, 'd'))
    expect(names.sort()).to.deep.equal([...FILES, 'at last'].sort())
    expect(await readFile(join(directory, 'file 1'), 'utf8')).to.equal('theirs')
    await theirs.unmount()
    expect((await here.coffer('unmount', '--force', mount.directory)).status).to.equal(0)
  })
})
