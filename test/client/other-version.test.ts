import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, machine } from '../support/mount.js'
import { ownPort } from '../support/own-port.js'
import { startServer, type TestServer } from '../support/server.js'
import { type FaultyProxy, faultyProxy, type OtherProtocol } from './faulty-proxy.js'

const NEWER = 'coffer-channel/999999'

describe('a mount of a server of another version', function () {
  this.timeout(120_000)

  let server: TestServer
  let proxy: FaultyProxy
  let home: Machine
  const upgrades: OtherProtocol = { protocol: undefined }

  before(async () => {
    const [port, behind] = [await ownPort(), await ownPort()]
    const env = { COFFER_PORT: String(behind), COFFER_ISSUER: `https://localhost:${port}` }
    server = await startServer({ env })
    const { data, ca } = server
    proxy = await faultyProxy({ data, ca, issuer: `https://localhost:${behind}` }, upgrades, port)
  })
  after(async () => {
    await proxy?.close()
    await server?.remove()
  })
  beforeEach(async () => {
    home = await machine(server)
    await home.login()
  })
  afterEach(async () => {
    upgrades.protocol = undefined
    await home.remove()
  })

  it('is refused, with what to do', async () => {
    upgrades.protocol = NEWER
    const directory = join(home.home, 'mount')
    await mkdir(directory)
    const { status, stderr } = await home.coffer('mount', '--no-login', directory)
    expect([status, stderr]).to.deep.equal([
      1,
      `coffer: the server ${new URL(server.issuer).host} is of a newer version of Coffer than this client: unmount, and mount with the client of that version (it speaks ${NEWER}, the client coffer-channel/2)\n`,
    ])
  })

  it('says so where the server was upgraded meanwhile, and loses nothing of a journal', async () => {
    const { directory, unmount } = await home.mount({ flags: ['--write-back'] })
    await writeFile(join(directory, 'before'), 'before')
    upgrades.protocol = NEWER
    for (const { client } of proxy.tunnels) client.destroy()
    const error = await readFile(join(directory, 'unknown')).catch((caught: unknown) => caught)
    expect(error).to.have.property('code', 'EIO')
    await writeFile(join(directory, 'before'), 'after')
    const told = await home.coffer('status')
    expect([told.status, told.stderr]).to.deep.equal([1, ''])
    expect(told.stdout)
      .to.contain('THE SERVER IS OF ANOTHER VERSION since ')
      .and.contain(NEWER)
      .and.contain('to be sent: 5 bytes in 1 file')

    upgrades.protocol = undefined
    await unmount()
    const again = await home.mount()
    expect(await readFile(join(again.directory, 'before'), 'utf8')).to.equal('after')
    await again.unmount()
  })
})
