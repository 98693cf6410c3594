import { expect } from 'chai'
import { compactVerify, createLocalJWKSet, decodeJwt, type JSONWebKeySet } from 'jose'
import { registerClient } from '../../oauth/index.js'
import { databaseFile } from '../../server/data-directory.js'
import { openDatabase } from '../../server/database/database.js'
import { oauthStore } from '../../server/database/oauth/store.js'
import { RESOURCE_SCOPES } from '../../server/scopes.js'
import { root, run } from '../support/process.js'
import { program } from '../support/program.js'
import { type QuickClock, quickEnvironment, quickTime } from '../support/quick-time.js'
import { startServer, type TestServer } from '../support/server.js'
import { CLIENTS } from './support/clients.js'
import { type Answer, type Fields, Http, json } from './support/http.js'
import { row } from './support/row.js'
import { LIMITS } from './support/target.js'
import { basic, success } from './support/values.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** An hour of the server's takes six seconds. */
const SPEED = 600
const ALGORITHMS = ['ES256', 'RS256'] as const
/** The keys of the beginning, those that come by themselves, and those of two commands. */
const GENERATIONS = 4
const VERIFIERS = 12
/** Tokens of a while ago, which are verified again and again. */
const KEPT = 20

/** Keeps the set of keys for as long as it may, and never looks whether there is a newer one: what it does not find is an error. */
class CachingVerifier {
  readonly #fetch: () => ReturnType<Http['get']>
  readonly #now: () => number
  #askedAt = Number.NEGATIVE_INFINITY
  #keys: Promise<Kept> | undefined
  fetches = 0

  constructor(fetch: () => ReturnType<Http['get']>, now: () => number) {
    this.#fetch = fetch
    this.#now = now
  }

  /** @returns the key; the time of a token is not looked at */
  async verify(token: string): Promise<string> {
    const { keyOf } = await this.#current()
    const { protectedHeader } = await compactVerify(token, keyOf)
    return `${protectedHeader.alg} ${protectedHeader.kid}`
  }

  async #current(): Promise<Kept> {
    const now = this.#now()
    const kept = await this.#keys
    if (kept !== undefined && now < this.#askedAt + kept.milliseconds) return kept
    this.#askedAt = now
    this.fetches++
    this.#keys = this.#fetch().then((answer) => ({
      keyOf: createLocalJWKSet(json(answer) as unknown as JSONWebKeySet),
      milliseconds: maxAge(answer) * 1000,
    }))
    return this.#keys
  }
}

interface Kept {
  readonly keyOf: ReturnType<typeof createLocalJWKSet>
  readonly milliseconds: number
}

function maxAge({ headers }: Answer): number {
  return Number(/max-age=(\d+)/.exec(String(headers['cache-control']))?.[1])
}

/** A client for each algorithm; the credentials of each. The keys of the server that they come from will soon be replaced. */
async function prepared(server: TestServer): Promise<readonly Fields[]> {
  const database = openDatabase(databaseFile(server.data))
  const registry = {
    store: oauthStore(database),
    accounts: { claims: async () => undefined },
    scopes: RESOURCE_SCOPES,
    clock: () => new Date(),
  }
  // The next ones are published half an hour later, and sign an hour after that.
  const age = 90 * DAY - 1.5 * HOUR
  database.exec(
    `UPDATE signing_keys SET created_at = created_at - ${age}, active_at = active_at - ${age}`,
  )
  const made = await Promise.all(
    ALGORITHMS.map((access_token_signed_response_alg) =>
      registerClient(registry, { ...CLIENTS.service, access_token_signed_response_alg }),
    ),
  )
  database.close()
  return made.map(({ client, client_secret = '' }) => ({
    authorization: basic(client.client_id, client_secret),
  }))
}

/** Hours of tokens, one after another, while the keys change; every one of them verifies, at once and later. */
async function soak(server: TestServer): Promise<void> {
  const http = new Http(server.ca)
  await http.get(`${server.issuer}/jwks`) // makes them
  const services = await prepared(server)
  await server.stop()
  const clock: QuickClock = { from: Date.now(), speed: SPEED }
  const quick = quickEnvironment(clock)
  await server.restart(quick)
  const now = () => quickTime(clock)
  const began = now()
  // They come one after another, so that whenever a key is published, one of them has just asked.
  const verifiers: CachingVerifier[] = []
  const verify = async (token: string): Promise<string> => {
    if (verifiers.length < VERIFIERS && now() >= began + (verifiers.length * HOUR) / VERIFIERS) {
      verifiers.push(new CachingVerifier(() => http.get(`${server.issuer}/jwks`), now))
    }
    const found = await Promise.all(verifiers.map((each) => each.verify(token)))
    return found[0] ?? ''
  }
  const kids = new Set<string>()
  const count = { issued: 0, let_in: 0 }
  const commands: Promise<unknown>[] = []
  const rotate = () =>
    run(process.execPath, [...program('server'), 'key', 'rotate'], {
      cwd: root,
      env: { ...quick, COFFER_DATA: server.data },
    })

  const isOver = () => kids.size >= GENERATIONS * ALGORITHMS.length || now() > began + 12 * HOUR
  const issue = async (credentials: Fields): Promise<void> => {
    const kept: string[] = []
    while (!isOver()) {
      const form = { grant_type: 'client_credentials', scope: 'file.read' }
      const answer = await http.post(`${server.issuer}/token`, form, credentials)
      const { access_token } = success(answer)
      count.issued++
      kids.add(await verify(access_token))
      kept.push(access_token)
      if (kept.length > KEPT) kept.splice(Math.floor(Math.random() * KEPT), 1)
      const earlier = kept[Math.floor(Math.random() * kept.length)] ?? ''
      if (now() >= Number(decodeJwt(earlier).exp) * 1000) continue
      await verify(earlier)
      const { status } = await http.get(`${server.issuer}/files/`, {
        authorization: `Bearer ${earlier}`,
      })
      if (status !== 401) count.let_in++
      else expect(now(), 'refused').to.be.at.least(Number(decodeJwt(earlier).exp) * 1000)
      // By command when the keys before have signed: first those that came by themselves.
      if (kids.size / ALGORITHMS.length >= commands.length + 2) commands.push(rotate())
    }
  }
  await Promise.all(services.map(issue))
  await Promise.all(commands)
  expect(kids, 'keys that signed').to.have.lengthOf(GENERATIONS * ALGORITHMS.length)
  const hours = (now() - began) / HOUR
  for (const { fetches } of verifiers) expect(fetches, 'kept').to.be.below(2 * hours + 3)
  expect(count.issued).to.be.above(100)
  expect(count.let_in).to.be.above(50)
}

describe('signing keys', () => {
  row(
    'oidcc-10.1.1-1',
    'M',
    'lets the keys be cached, names the key in every token, and verifies while they rotate',
    async (suite) => {
      const { headers, body } = await suite.http.get(String((await suite.metadata()).jwks_uri))
      expect(headers['cache-control']).to.match(/max-age=[1-9]/)
      const { id_token, access_token } = await suite.tokens({ scope: 'openid file.read' })
      for (const token of [id_token, access_token]) {
        const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
        expect(body).to.include(`"${kid}"`)
      }
      if (suite.target.inside === undefined) return
      const server = await startServer({ env: { ...LIMITS, COFFER_ACCESS_TOKEN_LIFETIME: '3600' } })
      try {
        await soak(server)
      } finally {
        await server.remove()
      }
    },
    { timeout: 120_000 },
  )
})
