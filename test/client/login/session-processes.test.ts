import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { AccountDirectory } from '../../../client/login/account.js'
import { fileTokens } from '../../../client/login/tokens.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Running, start } from '../../support/process.js'
import { bodyOf, json, type SmallServer, smallServer } from './small-server.js'

const USER = fileURLToPath(new URL('token-user.ts', import.meta.url))

describe('processes of one login whose access token has expired (RFC 6749 section 6)', function () {
  this.timeout(90_000)
  let server: SmallServer
  let config: string
  let asked: string[]
  let begun: () => void
  /** What happens to the first who asks. */
  let first: 'answered' | 'kept waiting'
  let users: Running[]

  beforeEach(async () => {
    asked = []
    users = []
    begun = () => {}
    first = 'answered'
    server = await smallServer(async (request, response) => {
      asked.push(new URLSearchParams(await bodyOf(request)).get('refresh_token') ?? '')
      begun()
      if (first === 'kept waiting' && asked.length === 1) return
      // Time for all of them to ask, were they not to wait for each other.
      await Promise.all(users.map((user) => user.printed(/asks\n/).catch(() => {})))
      await delay(500)
      json(response, 200, {
        access_token: `after ${asked.at(-1)}`.replace(' ', '-'),
        refresh_token: 'refresh-1',
        token_type: 'Bearer',
        expires_in: 900,
      })
    })
    config = await temporaryDirectory('processes-of-a-login')
    const { origin } = server.url
    const directory = new AccountDirectory(config, server.url)
    await directory.save({
      server: origin,
      issuer: origin,
      client_id: 'coffer',
      resource: `${origin}/files`,
      scope: 'file.read',
      token_endpoint: `${origin}/token`,
      trust: { kind: 'authority', pem: server.authority.certificate },
      store: 'file',
    })
    await fileTokens(directory).save({
      access_token: 'access-0',
      refresh_token: 'refresh-0',
      token_type: 'Bearer',
      scope: 'file.read',
      issuedAt: Date.now() - 901_000,
      expiresAt: Date.now() - 1_000,
    })
  })
  afterEach(async () => {
    await Promise.all(users.map((user) => user.stop('SIGKILL')))
    await server.close()
    await removeDirectory(config)
  })

  function user(): Running {
    const parameters = ['--import', 'tsx', USER, config, server.url.origin]
    const running = start(process.execPath, parameters)
    users.push(running)
    return running
  }
  const outcomeOf = async (running: Running): Promise<string> =>
    (await running.printed(/outcome (.*)\n/, 60_000))[1] ?? ''

  it('refresh once, all of them together', async () => {
    const outcomes = await Promise.all(Array.from({ length: 4 }, user).map(outcomeOf))
    expect(outcomes).to.deep.equal(Array(4).fill('Bearer after-refresh-0'))
    expect(asked).to.deep.equal(['refresh-0'])
  })

  it('go on with the login although the one that refreshes is killed', async () => {
    first = 'kept waiting'
    const refreshing = new Promise<void>((resolve) => {
      begun = resolve
    })
    const victim = user()
    await refreshing
    const others = [user(), user()].map(outcomeOf)
    await victim.stop('SIGKILL')
    expect(await Promise.all(others)).to.deep.equal(Array(2).fill('Bearer after-refresh-0'))
    expect(asked).to.deep.equal(['refresh-0', 'refresh-0'])
  })
})
