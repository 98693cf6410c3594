import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Control, type ControlReply, openControl } from '../../../client/mount/control.js'
import { MountRegistry } from '../../../client/mount/mount-registry.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Machine, machine } from '../../support/mount.js'
import { ownPort } from '../../support/own-port.js'
import { type Outcome, outcome } from '../../support/process.js'
import { program } from '../../support/program.js'
import { startServer, type TestServer } from '../../support/server.js'
import { until } from '../../support/until.js'
import { type FaultyProxy, faultyProxy, type OtherProtocol } from '../faulty-proxy.js'

/** What a mount said of itself before it was asked for the folder that it shows, and for times that were given up. */
const FORMER_STATUS = {
  directory: '/mnt/former',
  server: 'https://files.example.org',
  remote: '/',
  readOnly: false,
  binding: 'kernel',
  pid: process.pid,
  since: '2026-01-01T00:00:00.000Z',
  connection: { state: 'connected' },
  login: { state: 'alive' },
  changes: 'live',
  pending: { bytes: 5, files: 1 },
  conflicts: { overwritten: 0, copies: 0 },
  reads: {
    served: { reads: 0, bytes: 0 },
    disk: { blocks: 0, bytes: 0 },
    network: { reads: 0, bytes: 0 },
  },
  requests: { sent: 1, failed: 0, perSecond: 1 },
}

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
    await home.allSent()
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

  it('finds out that the server speaks its version again, though no program asks for anything', async () => {
    const streams: Socket[] = []
    proxy.fault = ({ url, socket }) => {
      if (url?.startsWith('/changes')) streams.push(socket)
      return 'pass'
    }
    const { directory, unmount } = await home.mount()
    await writeFile(join(directory, 'asked-for'), 'over a channel')
    upgrades.protocol = NEWER
    for (const { client } of proxy.tunnels) client.destroy()
    const error = await readFile(join(directory, 'unknown')).catch((caught: unknown) => caught)
    expect(error).to.have.property('code', 'EIO')
    expect((await home.coffer('status')).status).to.equal(1)
    upgrades.protocol = undefined
    for (const stream of streams) stream.destroy()
    await until(
      'it is connected',
      async () => (await home.coffer('status')).stdout.includes('connected, mounted since'),
      20_000,
    )
    await unmount()
  })
})

describe('a mount whose process is of another version', function () {
  this.timeout(60_000)

  let state: string
  const opened: Control[] = []
  beforeEach(async () => {
    state = await temporaryDirectory('other-version')
  })
  afterEach(async () => {
    for (const control of opened.splice(0)) await control.close()
    await removeDirectory(state)
  })

  /** @returns what the commands say of a mount that says so of itself */
  async function told(
    directory: string,
    status: object,
  ): Promise<{ status: Outcome; list: Outcome }> {
    const registry = new MountRegistry(state)
    const socket = await registry.socketPath(directory, process.pid)
    const reply = { kind: 'status', status } as unknown as ControlReply
    opened.push(
      await openControl(socket, async function* () {
        yield reply
      }),
    )
    await registry.add({ directory, server: FORMER_STATUS.server, pid: process.pid, socket })
    const env = { COFFER_STATE_DIR: state, COFFER_CONFIG_DIR: join(state, 'config') }
    const coffer = (command: string) =>
      outcome(process.execPath, [...program('client'), command], { env })
    return { status: await coffer('status'), list: await coffer('list') }
  }

  it('is told of if what it says is less', async () => {
    const { status, list } = await told('/mnt/former', FORMER_STATUS)
    expect([status.status, status.stderr]).to.deep.equal([0, ''])
    expect(status.stdout)
      .to.contain('/mnt/former  ←  https://files.example.org')
      .and.contain('to be sent: 5 bytes in 1 file')
    expect(list.stdout).to.equal('/mnt/former\thttps://files.example.org\n')
  })

  it('is told of if what it says is not understood', async () => {
    const { status, list } = await told('/mnt/later', { ...FORMER_STATUS, pending: 'a little' })
    expect([status.status, status.stderr]).to.deep.equal([1, ''])
    expect(status.stdout)
      .to.contain('/mnt/later  ←  https://files.example.org')
      .and.contain(`IT IS OF ANOTHER VERSION (process ${process.pid})`)
      .and.contain('coffer unmount /mnt/later')
    expect(list.stdout).to.equal('/mnt/later\thttps://files.example.org\n')
  })
})
