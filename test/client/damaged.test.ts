import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { outcome } from '../support/process.js'
import { program } from '../support/program.js'

describe('coffer damaged', () => {
  it('is rid of a journal that the disk does not even read', async () => {
    const state = await temporaryDirectory('damaged')
    const journals = join(state, 'journal')
    await mkdir(journals)
    // What stands there: EIO.
    await symlink('/proc/self/mem', join(journals, '000001.journal.damaged'))
    const command = [...program('client'), 'damaged', '--remove']
    const env = { HOME: state, COFFER_CONFIG_DIR: join(state, 'config'), COFFER_STATE_DIR: state }
    const removed = await outcome(process.execPath, command, { cwd: state, env })
    expect(removed.stdout).to.match(/000001\.journal\.damaged: .*\n {2}it cannot be read: EIO/)
    expect(removed.stderr).to.include('000001.journal.damaged is removed.')
    expect(await readdir(journals)).to.deep.equal([])
    await removeDirectory(state)
  })
})
