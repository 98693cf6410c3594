import { request } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { Credentials } from '../../../client/http/api.js'
import { type Remote, remoteFiles } from '../../../client/remote/remote.js'
import { RemoteError } from '../../../client/remote-error.js'
import { login, type Tokens } from '../../support/login.js'
import { startServer, type TestServer } from '../../support/server.js'
import { type FaultyProxy, faultyProxy } from '../faulty-proxy.js'

const TRANSPORTS = [
  'bare connections',
  'POST /batch, behind a proxy that upgrades nothing',
] as const

for (const transport of TRANSPORTS) {
  describe(`channels over ${transport}`, () => channels(transport)).timeout(60_000)
}

function channels(transport: (typeof TRANSPORTS)[number]): void {
  let server: TestServer
  let proxy: FaultyProxy | undefined
  let tokens: Tokens
  let remote: Remote
  let root: number
  /** What the server said no to. */
  let renewals: number

  async function begin(env: NodeJS.ProcessEnv = {}): Promise<void> {
    server = await startServer({ env })
    if (transport !== 'bare connections') proxy = await faultyProxy(server)
  }
  async function end(): Promise<void> {
    await proxy?.close()
    await server?.remove()
  }
  before(() => begin())
  after(end)
  beforeEach(async () => {
    renewals = 0
    tokens = await login(server)
  })
  afterEach(() => remote?.close())

  async function connect(
    renewed: () => Promise<Tokens>,
    clock = () => performance.now(),
  ): Promise<void> {
    const fields = async () => ({ authorization: `Bearer ${tokens.access_token}` })
    let renewing: Promise<Tokens> | undefined
    const credentials: Credentials = {
      headers: fields,
      async renewed(refused) {
        if (refused.authorization === (await fields()).authorization) {
          renewals += renewing === undefined ? 1 : 0
          renewing ??= renewed().finally(() => {
            renewing = undefined
          })
          tokens = await renewing
        }
        return fields()
      },
    }
    remote = remoteFiles({
      server: proxy?.url ?? server.issuer,
      trust: { trust: { kind: 'authority', pem: server.ca }, renew: async () => {} },
      credentials,
      clock,
    })
    root = (await remote.files.root()).ino
  }

  const small = (text: string) => [Buffer.from(text)]
  const create = { mode: 'create', attributes: {}, durability: 'process' } as const

  it('carry writes of several ranges', async () => {
    await connect(async () => tokens)
    const { ino } = await remote.files.put(root, 'several-ranges', small('0123456789'), create)
    const part = (offset: number | 'append', text: string) => ({ offset, data: Buffer.from(text) })
    const written = async (...parts: ReturnType<typeof part>[]) =>
      (await remote.files.write(ino, parts, { durability: 'process' })).size
    expect(await written(part(1, 'ab'), part(3, 'cd'))).to.equal(10)
    expect(await written(part(0, '!'), part(12, '?'), part('append', '.'))).to.equal(14)
    expect((await remote.files.read(ino, 0, 20)).data.toString()).to.equal('!abcd56789\0\0?.')
    expect(proxy?.carriedOut.filter((request) => request.startsWith('PATCH')) ?? []).to.deep.equal(
      [],
    )
  })

  it('seek holes, make zeros and copy ranges', async () => {
    await connect(() => login(server))
    const { files } = remote
    const from = await files.put(root, 'ranges', small('0123456789'), create)
    const to = await files.put(root, 'copied', small(''), create)
    expect((await files.zero(from.ino, { offset: 8, length: 4, extend: true })).size).to.equal(12)
    expect(await files.seek(from.ino, 3, 'data')).to.equal(3)
    expect(await files.seek(from.ino, 3, 'hole')).to.equal(12)
    expect(await files.seek(from.ino, 12, 'hole')).to.equal(undefined)
    const copy = await files.copyRange({ ino: from.ino, offset: 6 }, { ino: to.ino, offset: 1 }, 99)
    expect(copy.copied).to.equal(6)
    expect(copy.attributes).to.include({ ino: to.ino, size: 7 })
    expect(String((await files.read(to.ino, 0, 99)).data)).to.equal('\x0067\0\0\0\0')
  })

  it('do not end in the middle of removals that go together', async () => {
    let now = 0
    await connect(
      () => login(server),
      () => now,
    )
    const folder = await remote.files.make(root, 'removed', { type: 'directory' }, {})
    const names = Array.from({ length: 20 }, (_, count) => `name-${count}`)
    const inos: number[] = []
    for (const name of names) {
      inos.push((await remote.files.put(folder.ino, name, small(''), create)).ino)
    }
    // the channel that is open now takes no more after this
    now += 60_000
    const removals = names.map((name, index) => {
      return { directory: folder.ino, name, kind: 'unlink' as const, ino: inos[index] ?? 0 }
    })
    const outcomes = await remote.files.removeAll?.([
      ...removals,
      { directory: root, name: 'removed', kind: 'rmdir', ino: folder.ino },
    ])
    expect(outcomes?.map(({ status }) => status)).to.deep.equal(
      Array.from({ length: 21 }, () => 'fulfilled'),
    )
    expect(remote.meter.counts.failed).to.equal(0)
  })

  it('refuse the next operation once the login is revoked', async () => {
    await connect(async () => {
      throw new RemoteError('EACCES', 'the login is over')
    })
    const { ino } = await remote.files.put(root, 'revoked', small('x'), create)
    await remote.files.stat(ino)
    await revoke(server, tokens)
    for (const ask of [() => remote.files.stat(ino), () => remote.files.locks?.renew()]) {
      const refused: unknown = await ask()?.catch((error: unknown) => error)
      expect(refused).to.be.instanceOf(RemoteError).and.include({ code: 'EACCES' })
    }
    expect(remote.state.kind).to.equal('connected')
  })

  it('let a long listing go on where its token ended', async () => {
    await connect(() => login(server))
    const folder = await remote.files.make(root, 'long', { type: 'directory' }, {})
    const names = Array.from(
      { length: 1_500 },
      (_, count) => `name-${String(count).padStart(4, '0')}`,
    )
    for (let first = 0; first < names.length; first += 100) {
      const some = names.slice(first, first + 100)
      await Promise.all(some.map((name) => remote.files.put(folder.ino, name, small(''), create)))
    }
    const listed: string[] = []
    for await (const page of remote.files.list(folder.ino)) {
      listed.push(...page.map(({ name }) => name))
      if (listed.length < names.length) await revoke(server, tokens)
    }
    expect(listed).to.deep.equal(names)
  })

  describe('whose tokens expire', () => {
    before(async () => {
      await end()
      await begin({ COFFER_ACCESS_TOKEN_LIFETIME: '3' })
    })

    it('let operations go on without an error', async () => {
      await connect(() => login(server))
      const { ino } = await remote.files.put(root, 'expiring', small('x'), create)
      const [begun, before] = [performance.now(), renewals]
      while (renewals < before + 3) {
        expect((await remote.files.stat(ino)).size).to.equal(1)
        // a channel that is asked this often stays open beyond the end of its token
        await delay(20)
      }
      // two of them have come and gone, each after two seconds at least, for they end with a second
      expect(performance.now() - begun).to.be.above(3_900)
    })
  })
}

/** RFC 7009: the end of the grant, as a logout on another machine or the account page has it. */
function revoke(server: TestServer, { refresh_token = '' }: Tokens): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const options = { method: 'POST', ca: server.ca, headers }
    request(new URL('/revoke', server.issuer), options, (answer) => {
      answer.resume()
      answer.once('end', resolve)
    })
      .once('error', reject)
      .end(new URLSearchParams({ token: refresh_token, client_id: 'coffer' }).toString())
  })
}
