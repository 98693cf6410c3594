import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Outcome, outcome } from '../../support/process.js'
import { program } from '../../support/program.js'

describe('a damaged journal', () => {
  let state: string
  let journals: string
  beforeEach(async () => {
    state = await temporaryDirectory('damaged')
    journals = join(state, 'journal')
    await mkdir(journals)
  })
  afterEach(() => removeDirectory(state))

  function coffer(...parameters: string[]): Promise<Outcome> {
    const env = { HOME: state, COFFER_CONFIG_DIR: join(state, 'config'), COFFER_STATE_DIR: state }
    const command = [...program('client'), ...parameters]
    return outcome(process.execPath, command, { cwd: state, env })
  }

  it('is told of by status and shown by damaged, and removed only when that is asked for', async () => {
    const [damaged, other] = ['000001.journal.damaged', '000002.journal']
    const path = join(journals, damaged)
    await writeFile(path, 'no journal')
    await writeFile(join(journals, other), '')
    expect((await coffer('status')).stdout).to.equal(
      `A DAMAGED JOURNAL is kept: ${path} (10 bytes). What could be read of it was sent; to see what was lost: coffer damaged; to be rid of it: coffer damaged --remove\n`,
    )
    const shown = await coffer('damaged')
    expect(shown.stdout).to.match(
      /000001\.journal\.damaged: 10 bytes, last written 20.*Z\n {2}no name of a file can be read in it\n$/,
    )
    expect(shown.stderr).to.equal('')
    expect(await readdir(journals)).to.have.members([damaged, other])
    expect((await coffer('damaged', '--remove')).stderr).to.equal(`${path} is removed.\n`)
    expect(await readdir(journals)).to.deep.equal([other])
    expect((await coffer('damaged')).stderr).to.equal('No damaged journal is kept.\n')
  }).timeout(120_000)

  it('is removed although the disk does not even read it', async () => {
    // What stands there: EIO.
    await symlink('/proc/self/mem', join(journals, '000001.journal.damaged'))
    const removed = await coffer('damaged', '--remove')
    expect(removed.stdout).to.match(/000001\.journal\.damaged: .*\n {2}it cannot be read: EIO/)
    expect(removed.stderr).to.include('000001.journal.damaged is removed.')
    expect(await readdir(journals)).to.deep.equal([])
  }).timeout(60_000)
})
