import { type FileHandle, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended } from '../support/is-running.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

/** By fusermount3 or umount(8). A server that is gone is waited for for a minute, which is more than these tests have. */
describe('a mount that somebody else unmounts', function () {
  this.timeout(40_000)
  let server: TestServer
  let home: Machine

  beforeEach(async function () {
    requires(this, 'fuse')
    server = await startServer()
    home = await machine(server)
  })
  afterEach(async () => {
    await home?.remove()
    await server?.remove()
  })

  const unmounted = (mount: Mount) => run('fusermount3', ['-u', '-z', mount.directory])
  const connections = () => readdir(join(home.home, 'state', 'connections'))

  const uses: [what: string, use: (directory: string) => Promise<FileHandle | undefined>][] = [
    ['has nothing to do with the server', async () => undefined],
    [
      'has a lease of names',
      async (directory) => {
        await mkdir(join(directory, 'd'))
        for (const name of ['a', 'b', 'c', 'd', 'e']) {
          await writeFile(join(directory, 'd', name), 'x', { flag: 'wx' })
        }
        return undefined
      },
    ],
    [
      'has just closed a file without a name',
      async (directory) => {
        await writeFile(join(directory, 'f'), 'x')
        const file = await open(join(directory, 'f'))
        await rm(join(directory, 'f'))
        return file
      },
    ],
  ]
  for (const [what, use] of uses) {
    it(`waits for no server that is gone, where it ${what}`, async () => {
      const mount = await home.mount()
      const pid = await mount.pid()
      const file = await use(mount.directory)
      await server.stop('SIGKILL')
      await file?.close()
      await unmounted(mount)
      await ended(pid)
      // What the server could not be told the next mount tells it.
      expect(await connections()).to.have.length(1)
    })
  }

  it('leaves nothing for the next one to end, where the server is there', async () => {
    const mount = await home.mount()
    const pid = await mount.pid()
    await unmounted(mount)
    await ended(pid)
    expect(await connections()).to.deep.equal([])
  })

  it('keeps its locks from others where what is in its journal is left for the next', async () => {
    const mount = await home.mount({ flags: ['--write-back', '--limit-rate', '1K'] })
    const pid = await mount.pid()
    await writeFile(join(mount.directory, 'f'), Buffer.alloc(1 << 20))
    await unmounted(mount)
    await ended(pid)
    expect(await connections()).to.have.length(1)
  })
})
