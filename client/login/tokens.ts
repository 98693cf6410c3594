import { rm } from 'node:fs/promises'
import { z } from 'zod'
import { privateDirectory, replaceFile } from '../atomic-file.js'
import { CommandError } from '../command-error.js'
import type { TokenStoreChoice } from '../config.js'
import { type AccountDirectory, jsonOrNothing, readIfThere } from './account.js'
import { keyring } from './keyring.js'

/** What a login gives (RFC 6749 section 5.1); times in milliseconds since the epoch by this machine's clock. */
const TOKENS = z.object({
  access_token: z.string(),
  token_type: z.enum(['Bearer', 'DPoP']),
  refresh_token: z.string().optional(),
  scope: z.string(),
  /** Whose login it is, where the server said so. */
  subject: z.string().optional(),
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
  /** @param mayAsk whether somebody may be asked for the password of a keyring that is locked; it rejects if nobody may */
  load(mayAsk?: boolean): Promise<Tokens | undefined>
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

function keyringTokens(account: string): TokenStore {
  const place = keyring.place(account)
  return {
    kind: 'keyring',
    place,
    async load(mayAsk = true) {
      if (!mayAsk) await reached(refuseLocked())
      const text = await reached(keyring.get(account))
      if (text !== null) return parsedTokens(text, place)
      // A keyring that is locked has nothing, either, and says no more: whoever was asked did not unlock it.
      await reached(refuseLocked())
      await reached(tryOut())
      return undefined
    },
    save: (tokens) => reached(keyring.set(account, JSON.stringify(tokens))),
    forget: () => reached(keyring.delete(account)),
  }
}

async function refuseLocked(): Promise<void> {
  if (await keyring.isLocked()) throw new Error('it is locked')
}

async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
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

/** The store an account's tokens were put into at login. */
export function openTokenStore(kind: TokenStore['kind'], directory: AccountDirectory): TokenStore {
  return kind === 'file' ? fileTokens(directory) : keyringTokens(directory.key)
}

/** The store of whatever login the account has by now: a login may have moved it meanwhile. */
export function accountTokens(directory: AccountDirectory): TokenStore {
  const current = async (): Promise<TokenStore> =>
    openTokenStore((await directory.load())?.store ?? 'file', directory)
  return {
    kind: 'file',
    place: 'the token store',
    load: async (mayAsk) => (await current()).load(mayAsk),
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
    await tryOut()
    return keyringTokens(directory.key)
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

/** Only a value that comes back shows that a keyring is there and unlocked. */
async function tryOut(): Promise<void> {
  const [account, value] = [`trial-${process.pid}`, 'coffer']
  await keyring.set(account, value)
  const found = await keyring.get(account)
  await keyring.delete(account)
  if (found !== value) throw new Error('it did not keep a value')
}

function parsedTokens(text: string, place: string): Tokens {
  const parsed = TOKENS.safeParse(jsonOrNothing(text))
  if (parsed.success) return parsed.data
  throw new CommandError(`the login in ${place} is damaged; run "coffer login" again`)
}

function reason(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}
