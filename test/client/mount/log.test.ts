import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileLog } from '../../../client/mount/log.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { logged } from '../../support/logged.js'
import { requires } from '../../support/requires.js'
import { MemoryMount } from '../fuse/memory-mount.js'

describe('the log of a mount in a file', () => {
  let directory: string
  const path = () => join(directory, 'logs', 'log')

  beforeEach(async () => {
    directory = await temporaryDirectory('log')
  })
  afterEach(() => removeDirectory(directory))

  const said = (message: string, where = path()) => logged(where, `"${message}"`)

  async function fill(): Promise<void> {
    const log = await fileLog(path())
    log.info('first')
    await said('first')
    await writeFile(path(), 'x'.repeat(4 << 20), { flag: 'a' })
  }

  it('is for its user alone, and begins anew at 4 MiB', async () => {
    await fill()
    const log = await fileLog(path())
    log.info('second')
    await said('second')
    await said('first', `${path()}.1`)
    for (const where of [path(), `${path()}.1`]) {
      expect((await stat(where)).mode & 0o777, where).to.equal(0o600)
    }
    expect((await stat(path())).size).to.be.below(1000)
  })

  it('goes on where it cannot begin anew, until it can', async () => {
    await fill()
    await mkdir(`${path()}.1`)
    const log = await fileLog(path())
    for (const message of ['second', 'third']) {
      log.info(message)
      await said(message)
    }
    await rm(`${path()}.1`, { recursive: true })
    log.info('fourth')
    await said('fourth')
    await said('third', `${path()}.1`)
  })

  it('keeps nobody waiting whose disk hangs', async function () {
    requires(this, 'fuse')
    this.timeout(60_000)
    const disk = await MemoryMount.start()
    const log = await fileLog(disk.path('log'))
    await disk.ask({ kind: 'stick', how: 'frozen' })
    for (let line = 0; line < 100; line++) log.info(`line ${line}`)
    await disk.ask({ kind: 'stick', how: 'no' })
    await said('line 99', disk.path('log'))
    await disk.ask({ kind: 'unmount', lazy: true })
    disk.process.kill('SIGKILL') // it still has the log open
    await disk.exited
  })
})
