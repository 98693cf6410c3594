/**
 * The server under test. With COFFER_CONFORMANCE_URL it is any running server, prepared as docs/conformance.md says;
 * without, it is ours: a child process on a data directory of its own, whose clock and keys the suite can reach.
 */
import { createPrivateKey, sign } from 'node:crypto'
import { rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { importPKCS8 } from 'jose'
import { currentNonce } from '../../../oauth/clients/dpop.js'
import { DEFAULT_LIFETIMES, type Keys, localKeys, type Store } from '../../../oauth/index.js'
import { unseal } from '../../../oauth/sealed.js'
import { deriveKeys } from '../../../oauth/secrets.js'
import { accounts } from '../../../server/accounts/accounts.js'
import { passwords } from '../../../server/accounts/passwords.js'
import { databaseFile, secretOfServer } from '../../../server/data-directory.js'
import { userTable } from '../../../server/database/accounts/accounts.js'
import { type Database, openDatabase } from '../../../server/database/database.js'
import { oauthStore } from '../../../server/database/oauth/store.js'
import { RESOURCE_SCOPES } from '../../../server/scopes.js'
import { type Outcome, outcome } from '../../support/process.js'
import { program } from '../../support/program.js'
import { startServer, type TestServer } from '../../support/server.js'
import type { ClientName, TestClient } from './clients.js'
import { registerAll } from './prepared.js'

export interface Target {
  readonly issuer: string
  readonly ca: string | undefined
  readonly users: readonly [User, User]
  readonly clients: Readonly<Partial<Record<ClientName, TestClient>>>
  /** Where a token with file.read gets 200. */
  readonly resourceUrl: string
  /** What only our own server lets a test do. */
  readonly inside: Inside | undefined
}

export interface User {
  readonly username: string
  readonly password: string
  readonly name?: string
  readonly email?: string
}

export interface Inside {
  readonly store: Store
  readonly keys: Keys
  readonly server: TestServer
  readonly database: Database
  /** A compact JWS of exactly these texts, signed with the server's ES256 key; the header gets its `kid`. */
  signText(header: (kid: string) => string, payload: string): Promise<string>
  /** Makes everything stored that many seconds older. */
  passTime(seconds: number): void
  userId(username: string): string
  setDisabled(username: string, disabled: boolean): void
  changePassword(username: string, password: string): Promise<void>
  addUser(user: User): Promise<void>
  removeUser(username: string): void
  /** What the audit log says of one kind of event, oldest first. */
  audited(event: string): readonly AuditRow[]
  /** A nonce for DPoP proofs as the server gave it that many seconds ago. */
  nonceOf(secondsAgo: number): string
  /** Runs `coffer-server …` on a data directory: the server's, or another. */
  command(parameters: readonly string[], data?: string): Promise<Outcome>
}

export interface AuditRow {
  readonly outcome: string
  readonly client_id: string | null
  readonly address: string | null
  readonly detail: string
}

let started: Promise<Target> | undefined
let own: { readonly server: TestServer; readonly database: Database } | undefined

export function target(): Promise<Target> {
  const { COFFER_CONFORMANCE_URL: url } = process.env
  started ??= url === undefined || url === '' ? ownTarget() : givenTarget(url)
  return started
}

/** Once per run; in a parallel run once per worker, whose later files end with the worker itself. */
after('stop the server under test', async () => {
  const { server, database } = own ?? {}
  own = undefined
  started = undefined
  database?.close()
  await server?.remove()
})
process.on('exit', () => {
  if (own !== undefined) rmSync(dirname(own.server.data), { recursive: true, force: true })
})

/** COFFER_CONFORMANCE_CLIENTS is a JSON file: client names to client_id, client_secret and key (PKCS #8). */
async function givenTarget(url: string): Promise<Target> {
  const env = process.env
  const ca = env.COFFER_CONFORMANCE_CA
  const file = env.COFFER_CONFORMANCE_CLIENTS
  const given: Record<string, { client_id: string; client_secret?: string; key?: string }> =
    file === undefined ? {} : JSON.parse(await readFile(file, 'utf8'))
  const clients: Partial<Record<ClientName, TestClient>> = {}
  for (const [name, { key, ...client }] of Object.entries(given)) {
    clients[name as ClientName] =
      key === undefined ? client : { ...client, key: await importPKCS8(key, 'ES256') }
  }
  const issuer = url.replace(/\/$/, '')
  const user = {
    username: env.COFFER_CONFORMANCE_USER ?? '',
    password: env.COFFER_CONFORMANCE_PASSWORD ?? '',
  }
  if (Object.keys(clients).length > 0 && (user.username === '' || user.password === '')) {
    throw new Error(
      `COFFER_CONFORMANCE_USER and COFFER_CONFORMANCE_PASSWORD must be those of somebody who can log in to ${issuer}`,
    )
  }
  return {
    issuer,
    ca: ca === undefined ? undefined : await readFile(ca, 'utf8'),
    users: [user, user], // what needs another one also needs a server of our own
    clients,
    resourceUrl: env.COFFER_CONFORMANCE_RESOURCE ?? `${issuer}/files/`,
    inside: undefined,
  }
}

/** Tables with times, for passTime. */
const TIMES: Readonly<Record<string, readonly string[]>> = {
  codes: ['expires_at'],
  grants: ['created_at', 'expires_at', 'kept_until', 'last_used_at', 'auth_time'],
  refresh_tokens: ['expires_at', 'spent_at'],
  pushed_requests: ['expires_at'],
  devices: ['created_at', 'expires_at', 'next_poll_at'],
  attempts: ['expires_at'],
  sessions: ['auth_time'],
  users: ['valid_from'],
}

/** What an address may push within five minutes: more than all rows together need, less than a flood is. */
export const UNFINISHED_REQUESTS = 1000

/** Of our own server: the rows are wrong thousands of times. */
export const LIMITS = {
  COFFER_TOKEN_FAILURES: '1000000',
  COFFER_LOGIN_FAILURES: '1000000',
  COFFER_UNFINISHED_REQUESTS: String(UNFINISHED_REQUESTS),
} as const

async function ownTarget(): Promise<Target> {
  const server = await startServer({ env: LIMITS })
  const database = openDatabase(databaseFile(server.data))
  own = { server, database }
  const store = oauthStore(database)
  const clock = () => new Date()
  const people = accounts(userTable(database), passwords(), clock)
  const secret = secretOfServer(
    { data: server.data, secret: undefined, secretFile: undefined },
    'refuse',
  ).derive('oauth')
  const addUser = async ({ username, password, ...more }: User): Promise<void> => {
    await people.add({
      ...more,
      username: username as never,
      password: password as never,
      temporaryPassword: false,
    })
  }
  const registry = { store, accounts: people, scopes: RESOURCE_SCOPES, clock }
  const clients = await registerAll(registry)
  const second = {
    username: 'second',
    password: 'another battery staple 7',
    name: 'The Second',
    email: 'second@example.test',
  }
  await addUser(second)
  const userId = (username: string) => people.lookup(username)?.id ?? ''
  return {
    issuer: server.issuer,
    ca: server.ca,
    users: [{ username: server.username, password: server.password }, second],
    clients,
    resourceUrl: `${server.issuer}/files/`,
    inside: {
      store,
      server,
      database,
      keys: localKeys({
        store,
        secret,
        clock,
        rotationFailed: (cause) => {
          throw cause
        },
        audit: () => {},
      }),
      async signText(header, payload) {
        const key = (await store.signingKeys()).find(({ alg }) => alg === 'ES256')
        if (key === undefined) throw new Error('the server has no ES256 key')
        const pem = unseal(deriveKeys(secret).signingKeys, key.kid, key.sealed) ?? ''
        const input = [header(key.kid), payload]
          .map((text) => Buffer.from(text).toString('base64url'))
          .join('.')
        const privateKey = { key: createPrivateKey(pem), dsaEncoding: 'ieee-p1363' } as const
        return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
      },
      passTime(seconds) {
        for (const [table, columns] of Object.entries(TIMES)) {
          const shift = columns.map((column) => `${column} = ${column} - ${seconds * 1000}`)
          database.exec(`UPDATE ${table} SET ${shift.join(', ')}`)
        }
      },
      userId,
      setDisabled(username, disabled) {
        if (disabled) people.disable(userId(username))
        else people.enable(userId(username))
      },
      changePassword: (username, password) =>
        people.changePassword(userId(username), password as never, { temporary: false }),
      addUser,
      removeUser: (username) => people.remove(userId(username)),
      audited: (event) =>
        database
          .prepare<[string], AuditRow>(
            'SELECT outcome, client_id, address, detail FROM audit WHERE event = ? ORDER BY number',
          )
          .all(event),
      nonceOf: (secondsAgo) =>
        currentNonce({
          now: () => Date.now() - secondsAgo * 1000,
          lifetimes: DEFAULT_LIFETIMES,
          derived: deriveKeys(secret),
        }),
      command: (parameters, data = server.data) =>
        outcome(process.execPath, [...program('server'), ...parameters], {
          env: { COFFER_DATA: data },
        }),
    },
  }
}
