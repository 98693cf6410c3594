import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { start } from '../../support/process.js'
import { program } from '../../support/program.js'
import { until } from '../../support/until.js'
import { startSite } from '../running.js'
import { commandLine } from './command-line.js'

describe('coffer-server restore that is killed', () => {
  const place = commandLine()
  const { coffer } = place

  /** Something that has contents, and a backup of it. */
  async function backUp(): Promise<string> {
    const [tree, backup] = [join(place.parent, 'tree'), join(place.parent, 'backup')]
    mkdirSync(tree)
    for (const name of ['a', 'b']) writeFileSync(join(tree, name), name.repeat(100_000))
    await coffer(['user', 'add', 'nora'])
    expect((await coffer(['import', 'nora', tree])).stderr).to.equal('')
    expect((await coffer(['backup', backup])).stdout).to.contain('Backed up 2 contents')
    return backup
  }

  /** A restore that waits for a content that does not come. */
  async function waitingRestore(backup: string, to: string) {
    const contents = readdirSync(join(backup, 'content'), { recursive: true, withFileTypes: true })
    const [file] = contents.filter((entry) => entry.isFile())
    const content = join(file?.parentPath ?? '', file?.name ?? '')
    renameSync(content, join(backup, 'kept'))
    execFileSync('mkfifo', [content])
    const restoring = start(process.execPath, [...program('server'), 'restore', backup], {
      env: { COFFER_DATA: to },
    })
    await until('it has begun', async () => existsSync(join(to, 'content')))
    return {
      async kill() {
        await restoring.stop('SIGKILL')
        renameSync(join(backup, 'kept'), content)
      },
    }
  }

  it('leaves what nobody takes for a data directory, and what the next one makes anew', async () => {
    const backup = await backUp()
    const restored = join(place.parent, 'restored')
    const environment = { COFFER_DATA: restored }
    const restore = () => coffer(['restore', backup], '', environment)
    const serve = () =>
      startSite({ data: restored }).then(
        () => 'it serves',
        (error: Error) => error.message,
      )
    const again = `"coffer-server --data ${restored} restore ${backup}" again`

    const restoring = await waitingRestore(backup, restored)
    expect((await restore()).stderr).to.contain(`${restored} is in use by another coffer-server`)
    expect(await serve()).to.contain(`is being restored from ${backup}`)
    await restoring.kill()

    expect(await serve()).to.contain(again)
    expect((await coffer(['user', 'list'], '', environment)).stderr).to.contain(again)
    writeFileSync(join(restored, 'photo.jpg'), 'precious')
    expect((await restore()).stderr).to.contain('has "photo.jpg", which the unfinished restore')
    rmSync(join(restored, 'photo.jpg'))
    const left = join(restored, 'content', 'left')
    writeFileSync(left, 'of a backup that has gone on')
    const { stdout, stderr } = await restore()
    expect(stdout, stderr).to.contain('Restored 2 contents').and.contain('Everything agrees.')
    expect(readdirSync(restored)).to.not.include('restoring')
    expect(existsSync(left)).to.equal(false)
    expect((await coffer(['fsck'], '', environment)).stdout).to.equal('Everything agrees.')
    expect((await coffer(['user', 'list'], '', environment)).stdout).to.contain('nora')

    // as if it had been killed at its very end: nothing is missing, so nothing is removed
    writeFileSync(join(restored, 'restoring'), backup)
    expect((await restore()).stderr).to.contain('is not empty')
    expect((await coffer(['user', 'list'], '', environment)).stdout).to.contain('nora')
    const site = await startSite({ data: restored })
    await site.remove()
    expect(readdirSync(restored)).to.not.include('restoring')
  }).timeout(120_000)
})
