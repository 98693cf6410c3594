import { existsSync, readFileSync } from 'node:fs'
import { CommandError } from '../command-error.js'
import { isLoopback } from '../config.js'
import { type Fingerprint, printedFingerprint } from '../http/fingerprint.js'
import { authorityFile, type Trust } from '../http/trust.js'
import { type Account, serverBase } from './account.js'
import { type ShownCertificates, shownCertificates } from './shown-certificates.js'

/** What the user said about certificates, and where a server on this machine keeps its own authority. */
export interface TrustWishes {
  readonly ca?: string | undefined
  /** `ca.pem` of the same checkout and of the user's own server. */
  readonly localAuthorities: readonly string[]
}

/** What was asked for; what was confirmed at the login; a local server's own authority; the system's. */
export function chosenTrust(server: URL, wishes: TrustWishes, account: Account | undefined): Trust {
  if (wishes.ca !== undefined) return authorityFile(wishes.ca)
  if (account !== undefined && account.trust.kind !== 'system') return account.trust
  return localAuthority(server, wishes.localAuthorities) ?? { kind: 'system' }
}

function localAuthority(server: URL, files: readonly string[]): Trust | undefined {
  if (!isLoopback(server.hostname)) return undefined
  const pem = files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  return pem === '' ? undefined : { kind: 'authority', pem }
}

/** Trust by a fingerprint that the user got from somebody who knows. @throws CommandError if the server shows another */
export async function trustByFingerprint(server: URL, wanted: Fingerprint): Promise<Trust> {
  const shown = await shownCertificates(server)
  if (shown.fingerprint === wanted) return { kind: 'pinned', fingerprint: wanted }
  if (shown.authority?.fingerprint === wanted) {
    return { kind: 'authority', pem: shown.authority.pem }
  }
  throw new CommandError(
    `The certificate of ${serverBase(server)} has another SHA-256 fingerprint: ${printedFingerprint(shown.authority?.fingerprint ?? shown.fingerprint)}. Ask its administrator which one is right; if it is the one you gave, somebody stands between you and the server.`,
  )
}

/**
 * Shows the certificate that no authority vouches for and asks whether to trust it. Where the server sends the authority it
 * made for itself, that one is trusted: it stays when the server's own certificate is renewed.
 * @throws CommandError if nobody can be asked, or on no
 */
export async function confirmedTrust(
  server: URL,
  ask: ((question: string) => Promise<string>) | undefined,
): Promise<Trust> {
  const shown = await shownCertificates(server)
  const printed = printedFingerprint(shown.authority?.fingerprint ?? shown.fingerprint)
  const introduction = `No authority that this machine knows vouches for ${serverBase(server)}. ${whose(shown)} has the SHA-256 fingerprint\n\n  ${printed}\n`
  if (ask === undefined) {
    throw new CommandError(
      `${introduction}\nCompare it with what the server's administrator tells you, then log in with --fingerprint ${printed}, or with --ca FILE.`,
    )
  }
  const answer = await ask(
    `${introduction}\nCompare it with what the server's administrator tells you. Is it the same? (yes/no) `,
  )
  if (answer.trim().toLowerCase() !== 'yes') {
    throw new CommandError(
      "Not trusted, so not logged in. Ask the server's administrator for the authority's certificate and give it with --ca FILE.",
    )
  }
  return shown.authority === undefined
    ? { kind: 'pinned', fingerprint: shown.fingerprint }
    : { kind: 'authority', pem: shown.authority.pem }
}

function whose({ authority }: ShownCertificates): string {
  return authority === undefined ? 'Its certificate' : 'The authority it brings along'
}
