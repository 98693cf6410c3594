import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { httpClient } from '../../../client/http/api.js'
import { type Remote, remoteFiles } from '../../../client/remote/remote.js'
import { RemoteError } from '../../../client/remote-error.js'
import { encodeFrame } from '../../../server/wire/frames.js'
import { login } from '../../support/login.js'
import { startServer, type TestServer } from '../../support/server.js'
import {
  type FaultyProxy,
  faultyProxy,
  type OtherProtocol,
  type Tunnel,
  type Upgrades,
} from '../faulty-proxy.js'

describe('a channel by Upgrade (RFC 9110 section 7.8)', function () {
  this.timeout(60_000)

  let server: TestServer
  let token: string
  let proxy: FaultyProxy
  let remote: Remote
  let root: number

  before(async () => {
    server = await startServer()
    token = (await login(server)).access_token
  })
  after(() => server?.remove())
  afterEach(async () => {
    remote?.close()
    await proxy?.close()
  })

  async function connect(upgrades: Upgrades, silenceMilliseconds = 20_000): Promise<void> {
    proxy = await faultyProxy(server, upgrades)
    const headers = async () => ({ authorization: `Bearer ${token}` })
    remote = remoteFiles({
      server: proxy.url,
      trust: { trust: { kind: 'authority', pem: server.ca }, renew: async () => {} },
      credentials: { headers, renewed: headers },
      clock: () => performance.now(),
      silenceMilliseconds,
    })
    root = (await remote.files.root()).ino
  }

  /** The only one there is. */
  function tunnel(): Tunnel {
    const [only, ...others] = proxy.tunnels
    if (only === undefined || others.length > 0) throw new Error(`${proxy.tunnels.length} tunnels`)
    return only
  }

  const small = (text: string) => [Buffer.from(text)]
  const create = { mode: 'create', attributes: {}, durability: 'process' } as const

  it('is given up after ten seconds by a server that never ends the handshake', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const client = httpClient({
      trust: { kind: 'authority', pem: server.ca },
      credentials: { headers: async () => ({}), renewed: async () => ({}) },
    })
    const begun = performance.now()
    const receiver = { isWaiting: () => true, came: () => {}, over: () => {} }
    const error = await client
      .upgrade({ url: new URL(`https://127.0.0.1:${port}/batch`) }, receiver)
      .catch((caught: unknown) => caught)
    expect(error).to.have.property('kind', 'unreachable')
    expect(performance.now() - begun).to.be.within(9_000, 15_000)
    client.close()
    silent.close()
  })

  it('can be there before anything is asked', async () => {
    await connect('tunnel')
    remote.prepare()
    while (proxy.tunnels.length === 0) await turn()
    await remote.files.stat(root)
    expect(proxy.tunnels).to.have.length(1)
  })

  it('carries one operation after another over one connection', async () => {
    await connect('tunnel')
    const { ino } = await remote.files.put(root, 'one', small('content'), create)
    for (let count = 0; count < 20; count++) await remote.files.stat(ino)
    const { sent } = remote.meter.counts
    expect(String((await remote.files.read(ino, 0, 99)).data)).to.equal('content')
    expect(remote.meter.counts).to.deep.equal({ sent: sent + 1, failed: 0 })
    expect(proxy.carriedOut.filter((line) => / \/batch$/.test(line))).to.deep.equal([
      'UPGRADE /batch',
    ])
  })

  for (const upgrades of ['ignore', 'hang up'] as const) {
    it(`is a POST /batch where a proxy chooses to ${upgrades}`, async () => {
      await connect(upgrades)
      const { ino } = await remote.files.put(root, `by ${upgrades}`, small('content'), create)
      for (let count = 0; count < 20; count++) await remote.files.stat(ino)
      expect(remote.meter.counts.failed).to.equal(0)
      // asked once for an upgrade, not for each operation
      expect(proxy.carriedOut.filter((line) => / \/batch$/.test(line))).to.deep.equal(
        upgrades === 'ignore' ? ['GET /batch', 'POST /batch'] : ['POST /batch'],
      )
    })
  }

  for (const [protocol, version] of [
    ['coffer-channel/1', 'an older version'],
    ['coffer-channel/999999', 'a newer version'],
  ] as const) {
    it(`is no matter of a proxy where the server is of ${version}`, async () => {
      const upgrades: OtherProtocol = { protocol }
      await connect(upgrades)
      for (const _ of 'twice') {
        const error = await remote.files.stat(root).catch((caught: unknown) => caught)
        expect(error).to.be.instanceOf(RemoteError).and.include({ code: 'EIO' })
        expect(error).to.have.property('message').that.contains(version).and.contains(protocol)
      }
      expect(remote.state).to.have.property('kind', 'incompatible')
      // What is asked without a channel shows nothing about that.
      await remote.files.root()
      expect(remote.state).to.have.property('kind', 'incompatible')
      expect(proxy.carriedOut.filter((line) => line.includes('/batch'))).to.deep.equal([])

      upgrades.protocol = undefined
      await remote.files.stat(root)
      expect(remote.state).to.have.property('kind', 'connected')
    })
  }

  it('that breaks after the server has done an operation reports no false EEXIST', async () => {
    await connect('tunnel')
    await remote.files.stat(root)
    const { client, server: far } = tunnel()
    far.unpipe(client)
    far.once('data', () => client.destroy()).resume()
    const { ino, size } = await remote.files.put(root, 'broken', small('content'), create)
    expect(size).to.equal(7)
    expect((await remote.files.lookup(root, 'broken')).ino).to.equal(ino)
  })

  it('that breaks before the server has seen an operation lets it go on', async () => {
    await connect('tunnel')
    await remote.files.stat(root)
    const { client, server: far } = tunnel()
    client.unpipe(far)
    client.once('data', () => client.destroy()).resume()
    expect((await remote.files.put(root, 'cut', small('content'), create)).size).to.equal(7)
  })

  it('that falls silent with an operation under way is given up', async () => {
    await connect('tunnel', 2_000) // ample for what is answered
    await remote.files.stat(root)
    const { client, server: far } = tunnel()
    client.unpipe(far)
    client.resume()
    expect((await remote.files.put(root, 'silent', small('content'), create)).size).to.equal(7)
    expect(client.destroyed || (await once(client, 'close'))).to.not.equal(false)
  })

  it('may be asked to end any number of times while what it carries is not read', async () => {
    await connect('tunnel')
    const headers = async () => ({ authorization: `Bearer ${token}` })
    const trust = { kind: 'authority', pem: server.ca } as const
    const client = httpClient({ trust, credentials: { headers, renewed: headers } })
    const url = new URL(`${proxy.url}/batch`)
    const receiver = { isWaiting: () => false, came() {}, over() {} }
    const connection = await client.upgrade({ url }, receiver)
    const warnings: Error[] = []
    const heard = (warning: Error) => warnings.push(warning)
    process.on('warning', heard)
    tunnel().client.unpipe(tunnel().server)
    connection.write(Buffer.alloc(32 << 20))
    for (let count = 0; count < 12; count++) connection.end()
    await new Promise(setImmediate)
    process.off('warning', heard)
    connection.destroy()
    client.close()
    expect(warnings).to.deep.equal([])
  })

  it('ends where the server asks for that, once all is answered', async () => {
    await connect('tunnel')
    await remote.files.stat(root)
    const { client, server: far } = tunnel()
    far.unpipe(client)
    const answer = once(far.resume(), 'data')
    const under = remote.files.put(root, 'closing', small('content'), create)
    const [data] = await answer
    const closed = once(client, 'close')
    client.write(Buffer.concat([encodeFrame({ outcome: 'closing' }), data]))
    expect((await under).size).to.equal(7)
    await closed
    await remote.files.stat(root)
    expect(proxy.tunnels).to.have.length(2)
    expect(remote.meter.counts.failed).to.equal(0)
  })

  it('is given up when more content comes than anybody asks for', async () => {
    await connect('tunnel')
    await remote.files.stat(root)
    const { client, server: far } = tunnel()
    far.unpipe(client)
    const closed = once(client, 'close')
    const under = remote.files.stat(root)
    const header = JSON.stringify({ outcome: 'done', length: 2 ** 40 })
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(header.length)
    client.write(Buffer.concat([prefix, Buffer.from(header)]))
    await closed
    expect((await under).type).to.equal('directory')
  })
})
