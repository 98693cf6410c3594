import { CommandError } from '../command-error.js'
import type { TokenStoreChoice } from '../config.js'
import { httpClient } from '../http/api.js'
import { ExchangeError, type Send } from '../http/exchange.js'
import type { Fingerprint } from '../http/fingerprint.js'
import type { Trust } from '../http/trust.js'
import { type Account, type AccountDirectory, serverBase } from './account.js'
import { CLIENT_ID, type LoginTerms, loginByCode } from './authorization-code.js'
import { loginByDevice } from './device-grant.js'
import { type Authority, discover } from './discovery.js'
import { DpopKey } from './dpop.js'
import { withRefreshLock } from './refresh-lock.js'
import { postForm } from './token-endpoint.js'
import { chooseTokenStore, openTokenStore, type TokenStore, type Tokens } from './tokens.js'
import { serverTrouble } from './trouble.js'
import {
  chosenTrust,
  confirmedTrust,
  type TrustWishes,
  trustByFingerprint,
} from './trust-choice.js'

/** How a command talks to the user. */
export interface Terminal {
  /** Progress and explanations. */
  say(message: string): void
  /** What the user came for. */
  print(line: string): void
  /** Absent where nobody can answer. */
  readonly ask?: ((question: string) => Promise<string>) | undefined
  openBrowser(url: string): void
}

/** Whether the tokens are bound to a key of this account (RFC 9449); `possible`: where the server can. */
export type Binding = 'required' | 'possible' | 'off'

export interface LoginOptions {
  readonly server: URL
  readonly directory: AccountDirectory
  readonly wishes: TrustWishes
  /** Of the server's certificate or of its authority's, as the user was told. */
  readonly fingerprint?: Fingerprint | undefined
  readonly tokenStore: TokenStoreChoice
  readonly readOnly: boolean
  readonly way: LoginWay
  readonly binding: Binding
  /** What the user will find this login by at the server. */
  readonly deviceName: string
  readonly terminal: Terminal
  readonly clock: () => number
  readonly signal: AbortSignal
}

export interface LoggedIn {
  readonly account: Account
  readonly store: TokenStore
}

const SCOPE = 'openid profile email offline_access file.read file.write'

type Way = LoginTerms & Pick<LoginOptions, 'terminal'>

/** How the user can be asked. */
const LOGINS = {
  browser: ({ terminal, ...login }: Way) =>
    loginByCode({
      ...login,
      show: (url) => {
        // The answer comes to this machine: a browser elsewhere would say that it cannot connect.
        terminal.say(
          'To log in, open this address in a browser on this machine (for one on another, use --device):',
        )
        terminal.print(url)
        terminal.openBrowser(url)
      },
    }),
  device: ({ terminal, ...login }: Way) =>
    loginByDevice({
      ...login,
      show: ({ user_code, where, complete }) => {
        terminal.say(`To log in, open ${where} on any device and enter the code`)
        terminal.print(user_code)
        if (complete === undefined) return
        terminal.say('or open this address and compare the code:')
        terminal.print(complete)
      },
    }),
} as const
export type LoginWay = keyof typeof LOGINS

/** Logs in and keeps the login. A mount of the same account that lost its login uses this one from then on. */
export async function login(options: LoginOptions): Promise<LoggedIn> {
  const { server, directory, terminal, clock, signal } = options
  try {
    const { authority, remembered, send } = await trustedAuthority(options)
    const scope = options.readOnly ? SCOPE.replace(' file.write', '') : SCOPE
    const key = keyFor(options.binding, authority, clock)
    await directory.checkWritable()
    const { deviceName } = options
    const login = { authority, scope, send, clock, key, deviceName, signal, terminal }
    const tokens = await LOGINS[options.way](login)
    const store = await chooseTokenStore(options.tokenStore, directory, terminal.say)
    const account: Account = {
      server: serverBase(server),
      issuer: authority.issuer,
      client_id: CLIENT_ID,
      resource: authority.resource,
      scope: tokens.scope,
      token_endpoint: authority.token_endpoint,
      revocation_endpoint: authority.revocation_endpoint,
      trust: remembered,
      store: store.kind,
    }
    const replaced = await withRefreshLock(directory, async () => {
      const former = await formerLogin(directory)
      await directory.save(account)
      await store.save(tokens)
      if (former !== undefined && former.store.kind !== store.kind) await former.store.forget()
      return former
    })
    if (isOfAnother(tokens, replaced?.tokens)) terminal.say(ANOTHER_ACCOUNT)
    // What nobody uses any more shall not stay on the account page. The new login counts without that, too.
    if (replaced?.tokens?.refresh_token !== tokens.refresh_token) {
      await revoke(replaced?.account, replaced?.tokens, send)
    }
    return { account, store }
  } catch (error) {
    throw serverTrouble(error, serverBase(server))
  }
}

const ANOTHER_ACCOUNT =
  'This is another account than before: mounts of the former one answer "permission denied" from now on. (Another COFFER_CONFIG_DIR keeps a second login beside the first.)'

function isOfAnother({ subject }: Tokens, former: Tokens | undefined): boolean {
  return subject !== undefined && former?.subject !== undefined && subject !== former.subject
}

function keyFor(binding: Binding, authority: Authority, clock: () => number): DpopKey | undefined {
  if (binding === 'off') return undefined
  if (authority.dpopAlgorithms.includes('ES256')) return DpopKey.generate(clock)
  if (binding === 'possible') return undefined
  throw new CommandError(`${authority.issuer} cannot bind logins to a key; log in without --dpop`)
}

interface FormerLogin {
  readonly account: Account
  readonly store: TokenStore
  readonly tokens: Tokens | undefined
}

/** An earlier login of the same account; one that cannot be reached is left alone. */
async function formerLogin(directory: AccountDirectory): Promise<FormerLogin | undefined> {
  const account = await directory.load()
  if (account === undefined) return undefined
  const store = openTokenStore(account.store, directory)
  return { account, store, tokens: await store.load().catch(() => undefined) }
}

interface Trusted {
  readonly authority: Authority
  /** What the account remembers: what somebody decided, but not what is found again each time. */
  readonly remembered: Trust
  readonly send: Send
}

/** Finds the login server; a certificate that nobody vouches for is shown to the user first. */
async function trustedAuthority(options: LoginOptions): Promise<Trusted> {
  const { server, wishes, fingerprint, terminal } = options
  if (fingerprint !== undefined) {
    const trust = await trustByFingerprint(server, fingerprint)
    return authorityUnder(trust, options, trust)
  }
  const account = await options.directory.load()
  const chosen = chosenTrust(server, wishes, account)
  const decided = wishes.ca !== undefined || chosen === account?.trust
  try {
    return await authorityUnder(chosen, options, decided ? chosen : { kind: 'system' })
  } catch (error) {
    if (decided || !(error instanceof ExchangeError) || error.kind !== 'untrusted') throw error
    const trust = await confirmedTrust(server, terminal.ask)
    return authorityUnder(trust, options, trust)
  }
}

async function authorityUnder(
  trust: Trust,
  { server, signal }: LoginOptions,
  remembered: Trust,
): Promise<Trusted> {
  const { send } = httpClient({ trust })
  return { authority: await discover(server, send, signal), remembered, send }
}

/** Revokes the login at the server (RFC 7009) and forgets it here. @returns whether the server knows of it */
export async function logout(
  account: Account,
  directory: AccountDirectory,
  trust: Trust,
): Promise<boolean> {
  const revoked = await withRefreshLock(directory, async () => {
    const store = openTokenStore(account.store, directory)
    const tokens = await store.load()
    await store.forget()
    const { send, close } = httpClient({ trust })
    try {
      return await revoke(account, tokens, send)
    } finally {
      close()
    }
  })
  await directory.remove()
  return revoked
}

/** A server that does not answer must not keep the user waiting. */
const REVOCATION_MILLISECONDS = 10_000

async function revoke(
  account: Account | undefined,
  tokens: Tokens | undefined,
  send: Send,
): Promise<boolean> {
  const token = tokens?.refresh_token ?? tokens?.access_token
  if (token === undefined || account?.revocation_endpoint === undefined) return false
  const form = { token, client_id: account.client_id }
  const late = AbortSignal.timeout(REVOCATION_MILLISECONDS)
  try {
    return (await postForm(send, account.revocation_endpoint, form, {}, late)).status === 200
  } catch {
    return false
  }
}
