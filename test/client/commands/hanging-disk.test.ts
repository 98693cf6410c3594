import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Outcome, outcome } from '../../support/process.js'
import { program } from '../../support/program.js'
import { requires } from '../../support/requires.js'
import { MemoryMount } from '../fuse/memory-mount.js'

describe('a command whose own files are on a disk that hangs', function () {
  this.timeout(60_000)

  let home: string
  let disk: MemoryMount
  before(async function () {
    requires(this, 'fuse')
    home = await temporaryDirectory('hanging-disk')
    disk = await MemoryMount.start({ directIo: true })
    await mkdir(disk.path('coffer'))
    disk.process.kill('SIGSTOP')
  })
  after(async () => {
    disk?.process.kill('SIGCONT')
    await disk?.stop()
    await removeDirectory(home)
  })

  function coffer(variable: string, parameters: readonly string[]): Promise<Outcome> {
    const places = {
      COFFER_CONFIG_DIR: join(home, 'config'),
      COFFER_STATE_DIR: join(home, 'state'),
    }
    const env = { HOME: home, ...places, [variable]: disk.path('coffer') }
    return outcome(process.execPath, [...program('client'), ...parameters], { cwd: home, env })
  }

  const commands: [variable: string, parameters: readonly string[]][] = [
    ['COFFER_STATE_DIR', ['status']],
    ['COFFER_STATE_DIR', ['list']],
    ['COFFER_STATE_DIR', ['unmount', 'there']],
    ['COFFER_CONFIG_DIR', ['login', 'https://localhost:1']],
  ]
  it('says so and ends', async () => {
    const ends = commands.map(async ([variable, parameters]) => {
      const { status, stderr } = await coffer(variable, parameters)
      expect(stderr).to.include(disk.path('coffer')).and.include(variable)
      expect(status).to.equal(1)
    })
    await Promise.all(ends)
  })
})
