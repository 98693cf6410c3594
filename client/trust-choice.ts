import { existsSync, readFileSync } from 'node:fs'
import type { Account } from './account.js'
import { CommandError } from './command-error.js'
import { isLoopback } from './config.js'
import { authorityFile, parseFingerprint, printedFingerprint, type Trust } from './trust.js'

/** What the user said about certificates, and where a server on this machine keeps its own authority. */
export interface TrustWishes {
  readonly ca?: string | undefined
  readonly fingerprint?: string | undefined
  /** `ca.pem` of the same checkout and of the user's own server. */
  readonly localAuthorities: readonly string[]
}

/** What was asked for; what was confirmed earlier; a local server's own authority; the system's. */
export function chosenTrust(server: URL, wishes: TrustWishes, account: Account | undefined): Trust {
  if (wishes.fingerprint !== undefined) {
    return { kind: 'pinned', fingerprint: parseFingerprint(wishes.fingerprint) }
  }
  if (wishes.ca !== undefined) return authorityFile(wishes.ca)
  if (account !== undefined && account.trust.kind !== 'system') return account.trust
  return localAuthority(server, wishes.localAuthorities) ?? { kind: 'system' }
}

/** What an account remembers: what somebody decided, but not what is found again each time. */
export function rememberedTrust(trust: Trust, server: URL, wishes: TrustWishes): Trust {
  const found = trust.kind === 'authority' && wishes.ca === undefined && isLoopback(server.hostname)
  return found ? { kind: 'system' } : trust
}

function localAuthority(server: URL, files: readonly string[]): Trust | undefined {
  if (!isLoopback(server.hostname)) return undefined
  const pem = files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  return pem === '' ? undefined : { kind: 'authority', pem }
}

/** Asks whether to trust a certificate that no authority vouches for. @throws CommandError if nobody can be asked, or on no */
export async function confirmFingerprint(
  server: string,
  fingerprint: string,
  ask: ((question: string) => Promise<string>) | undefined,
): Promise<Trust> {
  const printed = printedFingerprint(fingerprint)
  const shown = `No authority that this machine knows vouches for ${server}. Its certificate has the SHA-256 fingerprint\n\n  ${printed}\n`
  if (ask === undefined) {
    throw new CommandError(
      `${shown}\nCompare it with what the server's administrator tells you, then log in with --fingerprint ${printed}, or with --ca FILE.`,
    )
  }
  const answer = await ask(
    `${shown}\nCompare it with what the server's administrator tells you. Is it the same? (yes/no) `,
  )
  if (answer.trim().toLowerCase() !== 'yes') {
    throw new CommandError('Not trusted, so not logged in. With the authority: --ca FILE.')
  }
  return { kind: 'pinned', fingerprint }
}
