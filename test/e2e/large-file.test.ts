import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { type Machine, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { memory, sha256 } from '../support/tree.js'

const SLOW = 600_000
const GIBIBYTE = 2 ** 30
/** What either side may use, however large a file is. */
const CLIENT_MIB = 300
const SERVER_MIB = 350

describe('a file of 1 GiB', () => {
  let server: TestServer
  let home: Machine
  let directory = ''

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    directory = await temporaryDirectory('large')
    server = await startServer()
    home = await machine(server)
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
    await removeDirectory(directory)
  })

  it('goes in and comes out with the same checksum, in bounded memory', async () => {
    const local = join(directory, 'large')
    await run('sh', ['-c', 'head -c 1073741824 /dev/urandom > "$0"', local])
    const digest = await sha256(local)

    const mount = await home.mount()
    const remote = join(mount.directory, 'large')
    await run('cp', [local, remote], { timeoutMilliseconds: SLOW })
    expect((await stat(remote)).size).to.equal(GIBIBYTE)
    await mount.unmount()

    const again = await home.mount()
    const pid = await again.pid()
    expect(await sha256(join(again.directory, 'large'))).to.equal(digest)
    const [client, host] = [await memory(pid), await memory(server.pid)]
    expect(client.peak, 'MiB of the client').to.be.below(CLIENT_MIB)
    expect(host.peak, 'MiB of the server').to.be.below(SERVER_MIB)
    await again.unmount()
  }).timeout(SLOW)

  it('is written in bounded memory', async () => {
    const mount = await home.mount()
    const pid = await mount.pid()
    await run(
      'dd',
      ['if=/dev/zero', `of=${join(mount.directory, 'zeros')}`, 'bs=1M', 'count=1024'],
      {
        timeoutMilliseconds: SLOW,
      },
    )
    const [client, host] = [await memory(pid), await memory(server.pid)]
    expect(client.peak, 'MiB of the client').to.be.below(CLIENT_MIB)
    expect(host.peak, 'MiB of the server').to.be.below(SERVER_MIB)
    await mount.unmount()
  }).timeout(SLOW)
})
