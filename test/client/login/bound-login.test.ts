import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { AccountDirectory } from '../../../client/login/account.js'
import { type Binding, type LoggedIn, login } from '../../../client/login/login.js'
import type { Session } from '../../../client/login/session.js'
import { fileTokens } from '../../../client/login/tokens.js'
import { fileLog } from '../../../client/mount/log.js'
import { openRemote } from '../../../client/mount/open-remote.js'
import type { Remote } from '../../../client/remote/remote.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { approve, form, Visitor } from '../../support/login.js'
import { startServer, type TestServer } from '../../support/server.js'
import { until } from '../../support/until.js'

const MINUTE = 60_000

describe('a login that is bound to a key (RFC 9449)', function () {
  this.timeout(60_000)
  let server: TestServer
  let config: string
  let ahead = 0
  let remote: Remote | undefined

  before(async () => {
    server = await startServer({
      env: { COFFER_ACCESS_TOKEN_LIFETIME: '3', COFFER_LOG_LEVEL: 'debug' },
    })
  })
  after(() => server?.remove())
  beforeEach(async () => {
    config = await temporaryDirectory('bound')
    ahead = 0
  })
  afterEach(async () => {
    remote?.close()
    remote = undefined
    await removeDirectory(config)
  })

  /** What a machine's clock says that is not right. */
  const clock = (): number => Date.now() + ahead
  const directory = (): AccountDirectory => new AccountDirectory(config, new URL(server.issuer))

  function logIn(binding: Binding, readOnly = false): Promise<LoggedIn> {
    return login({
      server: new URL(server.issuer),
      directory: directory(),
      wishes: { ca: server.caFile, localAuthorities: [] },
      tokenStore: 'file',
      readOnly,
      way: 'browser',
      deviceName: 'bound',
      binding,
      clock,
      signal: new AbortController().signal,
      terminal: {
        say: () => {},
        print: (url) => void approve(url, server),
        openBrowser: () => {},
      },
    })
  }

  async function open(): Promise<{ remote: Remote; session: Session }> {
    const log = await fileLog(logFile())
    const request = {
      server: server.issuer,
      configDirectory: config,
      remote: '/',
      ca: server.caFile,
      localAuthorities: [],
    }
    const opened = await openRemote(request, { clock, log })
    remote = opened.remote
    return opened
  }

  const logFile = (): string => join(config, 'log')

  /** How many proofs the file API has refused so far: not the tokens, which end within a few seconds here. */
  const refusals = (): number =>
    server
      .log()
      .split('\n')
      .filter(
        (line) => line.includes('"msg":"refused"') && line.includes('"reason":"the DPoP proof'),
      ).length

  const content = (text: string) => [Buffer.from(text)]
  const create = { mode: 'create', attributes: {}, durability: 'process' } as const

  it('is what a login is where the server can; its key stays with the tokens', async () => {
    const { store } = await logIn('possible')
    const tokens = await store.load()
    expect(tokens?.token_type).to.equal('DPoP')
    expect(tokens?.dpopKey).to.include({ kty: 'EC', crv: 'P-256' }).and.have.property('d')
    expect((await stat(directory().tokensFile)).mode & 0o777).to.equal(0o600)
  })

  it('asks for no more than reading where that is wanted', async () => {
    const { account } = await logIn('required', true)
    expect(account.scope.split(' ')).to.include('file.read').and.not.include('file.write')
  })

  it('has a name on the account page', async () => {
    await logIn('possible')
    const visitor = new Visitor(server.ca)
    const login = await visitor.follow(await visitor.get(`${server.issuer}/account`), 'none')
    if (login instanceof URL) throw new Error('the account page leads elsewhere')
    const { action, fields } = form(login)
    fields.set('username', server.username)
    fields.set('password', server.password)
    const account = await visitor.follow(await visitor.post(action, fields), 'none')
    expect(account).to.have.property('body').that.contains('Coffer mount on bound')
  })

  it('is no such thing on request', async () => {
    const { store } = await logIn('off')
    const tokens = await store.load()
    expect(tokens?.token_type).to.equal('Bearer')
    expect(tokens).to.not.have.property('dpopKey')
    const { files } = (await open()).remote
    expect((await files.root()).type).to.equal('directory')
  })

  it('is asked for its nonce once, however long it is used; channels and tokens come and go', async () => {
    await logIn('possible')
    const { files } = (await open()).remote
    const root = await files.root()
    const before = refusals()
    const { ino } = await files.put(root.ino, 'bound', content('x'), create)
    const first = await tokensOf()
    const long = content('y'.repeat(600_000))
    await until('the tokens were renewed', async () => {
      expect((await files.stat(ino)).size).to.equal(1)
      await files.put(root.ino, `long-${Math.random()}`, long, create)
      return (await tokensOf()) !== first
    })
    expect(refusals() - before).to.equal(0)
  })

  it('asks about locks again, and takes no server for away, when a token has ended before the clock says so', async () => {
    await logIn('possible')
    const { files } = (await open()).remote
    await files.root()
    const first = await tokensOf()
    ahead = -MINUTE / 6
    await until('the token was renewed', async () => {
      expect(await files.locks?.renew()).to.include({ state: 'held' })
      return (await tokensOf()) !== first
    })
    expect(await readFile(logFile(), 'utf8').catch(() => '')).to.not.include('away')
  })

  it('follows the stream of changes with a proof', async () => {
    await logIn('possible')
    const { files } = (await open()).remote
    const { ino } = await files.root()
    const stop = new AbortController()
    const changes = files.changes?.(stop.signal)
    if (changes === undefined) throw new Error('no stream of changes')
    for await (const news of changes) {
      if (news.kind === 'connected') break
    }
    stop.abort()
    expect(ino).to.be.a('number')
  })

  for (const [minutes, words] of [
    [7, 'ahead'],
    [-7, 'behind'],
  ] as const) {
    it(`works where the clock is seven minutes ${words}`, async () => {
      ahead = minutes * MINUTE
      const { store } = await logIn('possible')
      expect((await store.load())?.token_type).to.equal('DPoP')
      const before = refusals()
      const { remote, session } = await open()
      const root = await remote.files.root()
      await remote.files.put(root.ino, `skewed-${words}`, content('x'), create)
      expect(session.state.kind).to.equal('alive')
      // one for the time, one for the nonce; the log may come later than the answers
      await until('the first proof was refused', async () => refusals() > before)
      expect(refusals() - before).to.be.at.most(2)
    })
  }

  async function tokensOf(): Promise<string | undefined> {
    return (await fileTokens(directory()).load())?.access_token
  }
})
