import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { makeEntries } from '../support/entries.js'
import { type FileApi, fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { memory } from '../support/tree.js'
import { until } from '../support/until.js'

const ENTRIES = 100_000
const BATCH = 10_000
const TIMES = 4
const FILE_MIB = 512
/** Of a mount that knows 100,000 files. */
const MOST_MIB = 300

describe('a directory of 100,000 entries that is listed again and again', () => {
  let server: TestServer
  let home: Machine
  let mount: Mount
  let api: FileApi

  before(async function () {
    requires(this, 'fuse')
    this.timeout(120_000)
    server = await startServer()
    home = await machine(server)
    mount = await home.mount()
    api = fileApi(server, (await login(server)).access_token)
  })
  after(async () => {
    api?.close()
    await home?.remove()
    await server?.remove()
  })

  it('takes no more memory each time, nor with a long file in between', async () => {
    const large = join(mount.directory, 'large')
    const full = join(large, 'full')
    await mkdir(full, { recursive: true })
    await writeFile(join(full, 'file'), '')
    const { headers } = await api.send('HEAD', '/files/large')
    const { ino } = JSON.parse(String(headers['coffer-attributes']))
    for (let from = 0; from < ENTRIES; from += BATCH) await makeEntries(api, ino, from, BATCH)
    const peaks: number[] = []
    const list = async (time: number): Promise<void> => {
      // Another machine's change has the kernel ask again, and what is refused the mount.
      await api.send('POST', `/files/large/${time}`)
      const refused = await rmdir(full).catch((error: NodeJS.ErrnoException) => error.code)
      expect(refused).to.equal('ENOTEMPTY')
      await until('all are listed', async () => {
        return (await readdir(large)).length === ENTRIES + 1 + time
      })
      peaks.push((await memory(await mount.pid())).peak)
    }
    for (let time = 1; time <= TIMES; time++) await list(time)
    expect(peaks.at(-1), `MiB: ${peaks}`).to.be.below(MOST_MIB)

    const file = join(mount.directory, 'file')
    await run('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${FILE_MIB}`])
    // What the kernel has of it is dropped (posix_fadvise(2)), so that the mount is asked.
    await run('dd', [`if=${file}`, 'iflag=nocache', 'count=0'])
    await run('dd', [`if=${file}`, 'of=/dev/null', 'bs=1M'])
    for (let time = TIMES + 1; time <= 2 * TIMES; time++) await list(time)
    expect(peaks.at(-1), `MiB: ${peaks}`).to.be.below(MOST_MIB)
  }).timeout(600_000)
})
