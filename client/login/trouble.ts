import { CommandError } from '../command-error.js'
import { ExchangeError } from '../http/exchange.js'
import { printedFingerprint } from '../http/fingerprint.js'
import { Busy } from '../http/retry.js'
import { CertificateChanged } from '../http/trust.js'
import { RemoteError } from '../remote-error.js'
import { Refused } from './token-endpoint.js'

/** What went wrong with a server, for the one who typed its address. */
export function serverTrouble(error: unknown, server: string): unknown {
  if (error instanceof Refused) {
    return new CommandError(`${server} refused the login: ${error.message}`, { cause: error })
  }
  if (error instanceof Busy) {
    return new CommandError(`${server} is busy (${error.message}); try again in a moment`, {
      cause: error,
    })
  }
  if (error instanceof RemoteError && error.cause !== undefined) {
    return serverTrouble(error.cause, server)
  }
  if (!(error instanceof ExchangeError)) return error
  const changed = certificateChange(error)
  if (changed !== undefined) return changedCertificate(server, changed)
  return new CommandError(advice(error, server), { cause: error })
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED:
    'nothing listens there. Is the server running ("make serve"), and is the port right?',
  ENOTFOUND: 'there is no host of this name. Check the address.',
  EAI_AGAIN: 'its name cannot be looked up now. Check the network connection.',
  ENETUNREACH: 'there is no network to it. Check the network connection.',
  EHOSTUNREACH: 'its host does not answer. Check the network connection.',
  ETIMEDOUT: 'it does not answer. Check the address, the network connection and firewalls.',
  EPROTO: 'it does not speak TLS there. Check the port.',
  CERT_HAS_EXPIRED:
    "its certificate has expired. Ask the server's administrator to renew it; check this machine's clock too.",
  CERT_NOT_YET_VALID:
    "its certificate is not valid yet. Check this machine's clock; if that is right, ask the server's administrator.",
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for another name. Use the address that the certificate was made for.',
}

function advice(error: ExchangeError, server: string): string {
  const code = codeOf(error)
  const known = code === undefined ? undefined : REASONS[code]
  if (known !== undefined) return `Cannot talk to ${server}: ${known}`
  switch (error.kind) {
    case 'untrusted':
      return `The certificate of ${server} is not trusted (${error.message}). If you logged in there before, it has changed: ask the server's administrator whether that is right. Give the authority it comes from with --ca FILE or COFFER_CA, or its SHA-256 fingerprint with --fingerprint.`
    case 'unreachable':
    case 'lost':
      return `Cannot talk to ${server}: ${error.message}. Check the address, the port and the network connection.`
    case 'oversized':
      return `${server} is not a Coffer server: it answers far too much.`
    case 'aborted':
      return 'Given up.'
  }
}

function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string' && at.code in REASONS) return at.code
  }
  return undefined
}

/** The pinned certificate is not the one that was shown. */
function certificateChange(error: unknown): CertificateChanged | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof CertificateChanged) return at
  }
  return undefined
}

function changedCertificate(server: string, { fingerprint }: CertificateChanged): CommandError {
  const printed = printedFingerprint(fingerprint)
  return new CommandError(
    `The certificate of ${server} is not the one you confirmed; it now has the SHA-256 fingerprint ${printed}.
Either its administrator renewed it, or somebody stands between you and the server. Ask the administrator; if it is right: coffer login ${server} --fingerprint ${printed}`,
  )
}
