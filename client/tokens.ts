import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { z } from 'zod'
import { type AccountDirectory, jsonOrNothing, readIfThere } from './account.js'
import { privateDirectory, replaceFile } from './atomic-file.js'
import { CommandError } from './command-error.js'
import type { TokenStoreChoice } from './config.js'

/** What a login gives (RFC 6749 section 5.1); times in milliseconds since the epoch by this machine's clock. */
const TOKENS = z.object({
  access_token: z.string(),
  token_type: z.enum(['Bearer', 'DPoP']),
  refresh_token: z.string().optional(),
  scope: z.string(),
  issuedAt: z.number(),
  expiresAt: z.number(),
  /** The private key the tokens are bound to (RFC 9449), as a JWK. */
  dpopKey: z.record(z.string(), z.unknown()).optional(),
})
export type Tokens = z.infer<typeof TOKENS>

/** Where one account's tokens are kept between processes. */
export interface TokenStore {
  readonly kind: 'keyring' | 'file'
  /** Where the tokens are, for people. */
  readonly place: string
  load(): Promise<Tokens | undefined>
  /** Replaces the tokens in one step. */
  save(tokens: Tokens): Promise<void>
  forget(): Promise<void>
}

export function fileTokens(directory: AccountDirectory): TokenStore {
  return {
    kind: 'file',
    place: directory.tokensFile,
    async load() {
      const text = await readIfThere(directory.tokensFile)
      return text === undefined ? undefined : parsedTokens(text, directory.tokensFile)
    },
    async save(tokens) {
      await privateDirectory(directory.path)
      await replaceFile(directory.tokensFile, JSON.stringify(tokens))
    },
    async forget() {
      await rm(directory.tokensFile, { force: true })
    },
  }
}

/** The part of keytar's interface that we use. */
interface Keytar {
  getPassword(service: string, account: string): Promise<string | null>
  setPassword(service: string, account: string, password: string): Promise<void>
  deletePassword(service: string, account: string): Promise<boolean>
}

const SERVICE = 'coffer'
/** A keyring may be waiting for its password in a dialog that nobody sees. */
const KEYRING_MILLISECONDS = 15_000

function keyringTokens(keytar: Keytar, account: string): TokenStore {
  return {
    kind: 'keyring',
    place: `the keyring, as "${SERVICE}/${account}"`,
    async load() {
      const text = await reached(keytar.getPassword(SERVICE, account))
      return text === null ? undefined : parsedTokens(text, `the keyring's ${SERVICE}/${account}`)
    },
    save: (tokens) => reached(keytar.setPassword(SERVICE, account, JSON.stringify(tokens))),
    async forget() {
      await reached(keytar.deletePassword(SERVICE, account))
    },
  }
}

async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await answered(work)
  } catch (cause) {
    throw outOfReach(cause)
  }
}

function outOfReach(cause: unknown): CommandError {
  return new CommandError(
    `the login is in the keyring, which cannot be reached (${reason(cause)}); unlock it, or log in again with COFFER_TOKEN_STORE=file`,
    { cause },
  )
}

/** The store an account's tokens were put into at login. @throws CommandError if it cannot be reached */
export async function openTokenStore(
  kind: TokenStore['kind'],
  directory: AccountDirectory,
): Promise<TokenStore> {
  if (kind === 'file') return fileTokens(directory)
  try {
    return keyringTokens(loadKeytar(), directory.key)
  } catch (cause) {
    throw outOfReach(cause)
  }
}

/** The store of whatever login the account has by now: a login may have moved it meanwhile. */
export function accountTokens(directory: AccountDirectory): TokenStore {
  const current = async (): Promise<TokenStore> =>
    openTokenStore((await directory.load())?.store ?? 'file', directory)
  return {
    kind: 'file',
    place: 'the token store',
    load: async () => (await current()).load(),
    save: async (tokens) => (await current()).save(tokens),
    forget: async () => (await current()).forget(),
  }
}

/**
 * The store for a new login: the keyring if a keyring service answers, else files.
 * @param explain told once when tokens go into files although nobody asked for that
 */
export async function chooseTokenStore(
  choice: TokenStoreChoice,
  directory: AccountDirectory,
  explain: (message: string) => void,
): Promise<TokenStore> {
  const files = fileTokens(directory)
  if (choice === 'file') return files
  try {
    const keytar = loadKeytar()
    await tryOut(keytar)
    return keyringTokens(keytar, directory.key)
  } catch (cause) {
    if (choice === 'keyring') {
      throw new CommandError(
        `no keyring service answers (${reason(cause)}); start one (gnome-keyring, KWallet), or set COFFER_TOKEN_STORE=file`,
        { cause },
      )
    }
    explain(
      `No keyring service answers (${reason(cause)}), so the login is kept in ${files.place}, which only you can read.`,
    )
    return files
  }
}

/** Not an import: the package is optional, and what is not installed has no types to compile with. */
function loadKeytar(): Keytar {
  try {
    return createRequire(import.meta.url)('keytar')
  } catch (cause) {
    throw new Error('the package keytar could not be installed here', { cause })
  }
}

/** Only a value that comes back shows that a keyring is there and unlocked. */
async function tryOut(keytar: Keytar): Promise<void> {
  const [account, value] = [`trial-${process.pid}`, 'coffer']
  await answered(keytar.setPassword(SERVICE, account, value))
  const found = await answered(keytar.getPassword(SERVICE, account))
  await answered(keytar.deletePassword(SERVICE, account))
  if (found !== value) throw new Error('it did not keep a value')
}

async function answered<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it does not answer')), KEYRING_MILLISECONDS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function parsedTokens(text: string, place: string): Tokens {
  const parsed = TOKENS.safeParse(jsonOrNothing(text))
  if (parsed.success) return parsed.data
  throw new CommandError(`the login in ${place} is damaged; run "coffer login" again`)
}

function reason(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}
