import { createHash } from 'node:crypto'
import { access, constants, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { privateDirectory, replaceFile } from '../atomic-file.js'
import { CommandError } from '../command-error.js'
import { codeOf, messageOf } from '../error-of.js'
import type { Trust } from '../http/trust.js'

/** What is remembered of a server between logins: everything but the tokens. */
export interface Account {
  /** As the user gave it; no slash at the end. */
  readonly server: string
  readonly issuer: string
  readonly client_id: string
  readonly resource: string
  readonly scope: string
  readonly token_endpoint: string
  readonly revocation_endpoint?: string | undefined
  readonly trust: Trust
  /** Where the tokens are. */
  readonly store: 'keyring' | 'file'
}

const TRUST = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('system') }),
  z.object({ kind: z.literal('authority'), pem: z.string() }),
  z.object({ kind: z.literal('pinned'), fingerprint: z.string().regex(/^[0-9A-F]{64}$/) }),
])
const ACCOUNT = z.object({
  server: z.string(),
  issuer: z.string(),
  client_id: z.string(),
  resource: z.string(),
  scope: z.string(),
  token_endpoint: z.string(),
  revocation_endpoint: z.string().optional(),
  trust: TRUST,
  store: z.enum(['keyring', 'file']),
})

const ACCOUNT_FILE = 'account.json'

/** The folder of one account: 0700, its files 0600. */
export class AccountDirectory {
  readonly path: string
  /** Names the account in the keyring. */
  readonly key: string

  constructor(configDirectory: string, server: URL) {
    this.key = accountKey(server)
    this.path = join(configDirectory, 'accounts', this.key)
  }

  get tokensFile(): string {
    return join(this.path, 'tokens.json')
  }
  get lockFile(): string {
    return join(this.path, 'refresh.lock')
  }

  load(): Promise<Account | undefined> {
    return loadAccount(this.#file)
  }

  /** Names this writing of the account: another one has another name. */
  async written(): Promise<string | undefined> {
    const found = await stat(this.#file, { bigint: true }).catch(() => undefined)
    return found === undefined ? undefined : `${found.ino}/${found.ctimeNs}`
  }

  /** Before somebody logs in for nothing. @throws CommandError where a login cannot be kept */
  async checkWritable(): Promise<void> {
    for (let path = this.path; ; path = dirname(path)) {
      try {
        return await access(path, constants.W_OK | constants.X_OK)
      } catch (cause) {
        if (codeOf(cause) === 'ENOENT') continue
        const why = `a login cannot be kept in ${this.path}: ${messageOf(cause)}`
        throw new CommandError(`${why}; COFFER_CONFIG_DIR names another place`, { cause })
      }
    }
  }

  async save(account: Account): Promise<void> {
    await privateDirectory(this.path)
    await replaceFile(this.#file, `${JSON.stringify(account, null, 2)}\n`)
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.path, ACCOUNT_FILE)
  }
}

/** Every account somebody logged in to. */
export async function allAccounts(configDirectory: string): Promise<Account[]> {
  const folder = join(configDirectory, 'accounts')
  const keys = await namesIfThere(folder)
  const accounts = await Promise.all(
    keys.map((key) => loadAccount(join(folder, key, ACCOUNT_FILE))),
  )
  return accounts.filter((account) => account !== undefined)
}

async function loadAccount(file: string): Promise<Account | undefined> {
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  const parsed = ACCOUNT.safeParse(jsonOrNothing(text))
  if (parsed.success) return parsed.data
  throw new CommandError(`${file} is damaged; remove it and run "coffer login" again`)
}

/** The URL without a slash at the end: what accounts and requests are built on. */
export function serverBase(server: URL): string {
  return (server.origin + server.pathname).replace(/\/+$/, '')
}

/** Readable, and different for different servers. */
function accountKey(server: URL): string {
  const base = serverBase(server)
  const digest = createHash('sha256').update(base).digest('hex').slice(0, 8)
  return `${server.host.replace(/[^A-Za-z0-9.-]/g, '_')}-${digest}`
}

export function readIfThere(path: string): Promise<string | undefined> {
  return ifThere(readFile(path, 'utf8'))
}

export async function namesIfThere(directory: string): Promise<string[]> {
  return (await ifThere(readdir(directory))) ?? []
}

/** What cannot be read is not taken for missing. */
async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

export function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
