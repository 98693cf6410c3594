import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, type AgentOptions } from 'node:https'
import { isIP, type OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  rootCertificates,
  type TLSSocket,
} from 'node:tls'
import { CommandError } from '../command-error.js'
import { fingerprintOf } from './fingerprint.js'

/** Which certificates a server may show. */
export type Trust =
  | { readonly kind: 'system' }
  | { readonly kind: 'authority'; readonly pem: string }
  /** Exactly one certificate, known by the SHA-256 of its DER form: 64 hexadecimal digits in capitals. */
  | { readonly kind: 'pinned'; readonly fingerprint: string }

/** The server shows another certificate than the one that was confirmed. */
export class CertificateChanged extends Error {
  override readonly name = 'CertificateChanged'
  readonly code = 'ERR_CERTIFICATE_CHANGED'
  /** Of the certificate that was shown. */
  readonly fingerprint: string

  constructor(fingerprint: string) {
    super('the server shows another certificate than the one you confirmed')
    this.fingerprint = fingerprint
  }
}

/** Where Linux and BSD systems keep the authorities their administrators trust. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** How long a server may take to set up a connection. */
export const HANDSHAKE_MILLISECONDS = 10_000

/** The authorities of the system, and those that come with Node where it has none. */
function systemAuthorities(): string[] {
  for (const bundle of SYSTEM_BUNDLES) {
    try {
      return [readFileSync(bundle, 'utf8')]
    } catch {
      // Not this distribution's place; try the next.
    }
  }
  return [...rootCertificates]
}

/** @throws CommandError if the file is missing or holds no certificate */
export function authorityFile(path: string): Trust {
  let pem: string
  try {
    pem = readFileSync(path, 'utf8')
    new X509Certificate(pem)
  } catch (cause) {
    throw new CommandError(
      `${path} is no readable certificate in PEM form; give the server's ca.pem with --ca or COFFER_CA`,
      { cause },
    )
  }
  return { kind: 'authority', pem }
}

/** What OpenSSL and Node say of a certificate (tls documentation, "X509 certificate error codes"). */
const UNTRUSTED =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|ERR_TLS_CERT_|ERR_CERTIFICATE_|CRL_|PATH_LENGTH_)/

/** Whether a code says that the server showed a certificate which is not to be trusted. */
export function isUntrusted(code: string): boolean {
  return UNTRUSTED.test(code)
}

/** An agent that talks only to servers we trust. */
export function agentFor(trust: Trust, options: AgentOptions): Agent {
  const secure: AgentOptions = { ...options, minVersion: 'TLSv1.2' }
  switch (trust.kind) {
    case 'system':
      return new Agent({ ...secure, ca: systemAuthorities() })
    case 'authority':
      return new Agent({ ...secure, ca: trust.pem })
    case 'pinned':
      return new PinnedAgent(trust.fingerprint, secure)
  }
}

/**
 * Hands out a connection only once the certificate was compared, so that not one byte of a request, and no token, goes
 * to anybody else.
 */
class PinnedAgent extends Agent {
  readonly #fingerprint: string

  constructor(fingerprint: string, options: AgentOptions) {
    super(options)
    this.#fingerprint = fingerprint
  }

  override createConnection(
    options: ConnectionOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const socket = connect({ ...options, rejectUnauthorized: false })
    const failed = (error: Error): void => callback?.(error, socket)
    socket.once('error', failed)
    socket.setTimeout(HANDSHAKE_MILLISECONDS, () => {
      socket.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
    })
    socket.once('secureConnect', () => {
      socket.off('error', failed)
      socket.setTimeout(0)
      socket.removeAllListeners('timeout')
      const shown = fingerprintOf(socket.getPeerCertificate().fingerprint256)
      if (shown === this.#fingerprint) {
        callback?.(null, socket)
        return
      }
      socket.destroy()
      callback?.(new CertificateChanged(shown), socket)
    })
    return undefined
  }
}

/** Opens connections for whoever reads them without a stream between. */
export function connector(trust: Trust): (url: URL, onread: OnReadOpts) => Promise<TLSSocket> {
  const ca = trust.kind === 'authority' ? trust.pem : systemAuthorities()
  const secureContext = createSecureContext({
    minVersion: 'TLSv1.2',
    ...(trust.kind === 'pinned' ? {} : { ca }),
  })
  return ({ hostname, port }, onread) =>
    new Promise((resolve, reject) => {
      const host = hostname.replace(/^\[|\]$/g, '')
      const socket = connect({
        host,
        port: Number(port || 443),
        ...(isIP(host) === 0 ? { servername: host } : {}),
        secureContext,
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: trust.kind !== 'pinned',
        onread,
      } as ConnectionOptions)
      const late = () => {
        socket.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
      }
      socket.setNoDelay(true)
      socket.setTimeout(HANDSHAKE_MILLISECONDS, late)
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        socket.off('error', reject)
        socket.setTimeout(0, late)
        socket.removeListener('timeout', late)
        const shown = fingerprintOf(socket.getPeerCertificate().fingerprint256)
        if (trust.kind !== 'pinned' || shown === trust.fingerprint) resolve(socket)
        else {
          socket.destroy()
          reject(new CertificateChanged(shown))
        }
      })
    })
}
