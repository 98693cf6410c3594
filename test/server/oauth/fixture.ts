import express, { type Express, type Request, type Response } from 'express'
import supertest from 'supertest'
import {
  type AuditEvent,
  authorizationServer,
  type BrowserSession,
  type Interaction,
  localKeys,
  OAuthError,
  registerClient,
  SIGNING_ALGORITHMS,
  type Store,
} from '../../../oauth/index.js'
import { unseal } from '../../../oauth/sealed.js'
import { deriveKeys } from '../../../oauth/secrets.js'
import type { SigningAlgorithm } from '../../../oauth/types.js'
import { type Database, openDatabase } from '../../../server/database/database.js'
import { epochsOf } from '../../../server/database/epochs.js'
import { oauthStore } from '../../../server/database/oauth/store.js'

export const ISSUER = 'https://as.test'
export const RESOURCE = `${ISSUER}/files`
export const OTHER_RESOURCE = 'https://other.test/api'
export const REDIRECT_URI = 'http://127.0.0.1:49152/cb'
export const CODE_VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const CODE_CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
export const SECRET = Buffer.alloc(32, 7)

export interface World {
  readonly app: Express
  readonly store: Store
  readonly database: Database
  readonly events: AuditEvent[]
  /** Subjects whose account is disabled. */
  readonly disabled: Set<string>
  readonly sweep: () => Promise<void>
  now: number
}

/** A clock that stands still until a test moves it, a database in memory, and a site whose pages are JSON. */
export interface WorldOptions {
  /** A database file, for several processes. */
  readonly path?: string
  readonly issuer?: string
  readonly registration?: 'off' | 'open'
  readonly unfinishedPerClient?: number
}

export async function world(options: WorldOptions = {}): Promise<World> {
  const { path = ':memory:', issuer = ISSUER, registration = 'off', ...limits } = options
  const database = openDatabase(path)
  const store = oauthStore(database)
  const made = {
    store,
    database,
    events: [] as AuditEvent[],
    disabled: new Set<string>(),
    now: Date.UTC(2026, 0, 1),
  }
  const clock = () => new Date(made.now)
  const accounts = {
    claims: async (sub: string) =>
      sub.startsWith('user-') && !made.disabled.has(sub)
        ? { sub, name: 'Alice', preferred_username: 'alice', email: 'alice@example.test' }
        : undefined,
  }
  const server = authorizationServer({
    ...limits,
    issuer,
    registration,
    resource: RESOURCE,
    otherResources: [OTHER_RESOURCE],
    scopes: ['file.read', 'file.write'],
    store,
    secret: SECRET,
    keys: localKeys({
      store,
      secret: SECRET,
      clock,
      rotationFailed: (cause) => {
        throw cause
      },
      audit: (event) => made.events.push(event),
    }),
    clock,
    accounts,
    // Accounts are not in the database here.
    epoch: () => 1000 * epochsOf(database).now('access') + made.disabled.size,
    audit: (event) => made.events.push(event),
    interaction: jsonPages(() => made.now),
  })
  const registry = { store, accounts, scopes: ['file.read', 'file.write'], clock }
  await registerClient(registry, NATIVE, { client_id: 'fuse' })
  const app = express()
  app.use(server.router)
  app.get('/files/x', server.requireScope('file.read'), (_request, response) => {
    response.json({ sub: response.locals.authenticated.sub })
  })
  app.use((error: unknown, _request: Request, response: Response, _next: unknown) => {
    if (!(error instanceof OAuthError)) throw error
    response.status(error.status).json(error.body)
  })
  return Object.assign(made, { app, sweep: server.sweep })
}

/** A signing key of a world as it is stored, opened: to sign what the server would not. */
export async function openedKey({ store }: World, alg: SigningAlgorithm) {
  const stored = (await store.signingKeys()).find((each) => each.alg === alg)
  const { kid = '', sealed = '' } = stored ?? {}
  return { alg, kid, key: unseal(deriveKeys(SECRET).signingKeys, kid, sealed) ?? '' }
}

/** Until the next keys are there, made since then: they are made beside everything else. */
export async function keysMade(store: Store, since: number): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const made = (await store.signingKeys()).filter(({ createdAt }) => createdAt >= since)
    if (made.length >= SIGNING_ALGORITHMS.length) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error('the next keys were never made')
}

const NATIVE = {
  client_name: 'fuse',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/cb', 'http://[::1]/cb'],
  grant_types: [
    'authorization_code',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ],
}

/** The cookie says who is signed in and since when: `user-1 since 1767225600000`. */
function jsonPages(now: () => number): Interaction {
  const session = (request: Request): BrowserSession | undefined => {
    const [, sub, since] = /who=(user-[^@]+)@(\d*)/.exec(request.headers.cookie ?? '') ?? []
    if (sub === undefined) return undefined
    return {
      sid: `sid of ${sub}`,
      sub,
      authTime: since ? Number(since) : now(),
      csrfToken: 'good',
      address: '192.0.2.1',
    }
  }
  const page = (kind: string) => async (_request: Request, response: Response, shown: object) => {
    response.json({ kind, ...shown })
  }
  return {
    session: async (request) => session(request),
    async signIn(_request, response, options) {
      response.json({ kind: 'signIn', ...options })
    },
    async checkForm(request) {
      const found = session(request)
      if (found === undefined || request.body.csrf_token !== 'good') {
        throw new OAuthError('access_denied', 'forged', { status: 403 })
      }
      return found
    },
    async signOut() {},
    consent: page('consent'),
    userCode: page('userCode'),
    logout: page('logout'),
    message: page('message'),
    async error(_request, response, shown) {
      response.status(shown.status).json({ kind: 'error', ...shown })
    },
  }
}

export function authorizeQuery(changes: Record<string, string> = {}): Record<string, string> {
  return {
    response_type: 'code',
    client_id: 'fuse',
    redirect_uri: REDIRECT_URI,
    scope: 'openid offline_access file.read file.write',
    state: 'xyz',
    code_challenge: CODE_CHALLENGE,
    code_challenge_method: 'S256',
    ...changes,
  }
}

/** Signs in, allows everything, and returns where the browser is sent. */
export async function allow(
  { app, now }: World,
  query: Record<string, string> | string = authorizeQuery(),
  decision: 'allow' | 'deny' = 'allow',
): Promise<URL> {
  const cookie = `who=user-1@${now}`
  const shown = await supertest(app).get('/authorize').query(query).set('Cookie', cookie)
  if (shown.body.kind !== 'consent')
    throw new Error(JSON.stringify([shown.status, shown.headers, shown.body]))
  const scopes: string[] = shown.body.scopes.map(({ scope }: { scope: string }) => scope)
  const answer = await supertest(app)
    .post(shown.body.action)
    .set('Cookie', cookie)
    .type('form')
    .send(
      new URLSearchParams([
        ...Object.entries<string>(shown.body.fields),
        ['csrf_token', 'good'],
        ['decision', decision],
        ...scopes.map((scope): [string, string] => ['scope', scope]),
      ]).toString(),
    )
  if (answer.status !== 303) throw new Error(JSON.stringify([answer.status, answer.body]))
  return new URL(answer.headers.location ?? '')
}

export function post({ app }: World, path: string, form: Record<string, string>) {
  return supertest(app).post(path).type('form').send(new URLSearchParams(form).toString())
}

export async function code(world: World, changes: Record<string, string> = {}): Promise<string> {
  return (await allow(world, authorizeQuery(changes))).searchParams.get('code') ?? ''
}

export function redeem(world: World, code: string, changes: Record<string, string> = {}) {
  return post(world, '/token', {
    grant_type: 'authorization_code',
    client_id: 'fuse',
    redirect_uri: REDIRECT_URI,
    code_verifier: CODE_VERIFIER,
    code,
    ...changes,
  })
}

export function refresh(world: World, refresh_token: string, changes: Record<string, string> = {}) {
  return post(world, '/token', {
    grant_type: 'refresh_token',
    client_id: 'fuse',
    refresh_token,
    ...changes,
  })
}

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token: string
  readonly scope: string
}

export async function tokens(world: World): Promise<Tokens> {
  const answer = await redeem(world, await code(world))
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  return answer.body
}

export function read({ app }: World, access_token: string) {
  return supertest(app).get('/files/x').set('Authorization', `Bearer ${access_token}`)
}
