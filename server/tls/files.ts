import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError } from '../config.js'
import { messageOf } from '../error-of.js'
import { writeWhole } from '../whole-file.js'
import type { KeyPair } from './authority.js'
import type { CertificateName } from './names.js'

/** Renewed this long before it expires: a server that runs for ever, and a client whose clock is off, never notice. */
const RENEW_BEFORE_MS = 30 * 86_400_000

export interface LocalCertificate {
  readonly pair: KeyPair
  /** What clients must trust. */
  readonly authorityFile: string
  readonly renewed: boolean
}

/** Where the local authority and its server certificate are kept, below the data directory. */
export function tlsFiles(data: string) {
  const file = (name: string) => join(data, 'tls', name)
  return {
    authority: { certificate: file('ca.pem'), key: file('ca-key.pem') },
    server: { certificate: file('server.pem'), key: file('server-key.pem') },
  }
}

/** The local server certificate: as it stands, or made anew when it is missing, near its end, or lacks a name. */
export async function localCertificate(
  data: string,
  machine: string,
  names: readonly CertificateName[],
  now: Date,
): Promise<LocalCertificate> {
  const files = tlsFiles(data)
  mkdirSync(dirname(files.server.key), { recursive: true, mode: 0o700 })
  let authority = readAuthority(files.authority)
  if (authority === undefined || expiresWithin(authority, RENEW_BEFORE_MS, now)) {
    const { makeAuthority } = await maker()
    authority = await makeAuthority(machine, now)
    write(files.authority, authority)
  }
  const current = readServer(files.server)
  if (current !== undefined && isGood(current, authority, names, now)) {
    return { pair: current, authorityFile: files.authority.certificate, renewed: false }
  }
  const { makeServerCertificate } = await maker()
  const pair = await makeServerCertificate(authority, names, now)
  write(files.server, pair)
  return { pair, authorityFile: files.authority.certificate, renewed: true }
}

/** Loaded only where a certificate is to be made: it takes a fifth of the time that a start takes. */
const maker = () => import('./authority.js')

export function readKeyPair(files: { certificate: string; key: string }): KeyPair {
  return {
    certificate: readFileSync(files.certificate, 'utf8'),
    key: readFileSync(files.key, 'utf8'),
  }
}

/** The pair that the configuration names. @throws ConfigError that says which of its files is not usable, and why */
export function configuredCertificate(files: { certificate: string; key: string }): KeyPair {
  const certificate = pem(
    'COFFER_TLS_CERT',
    'a certificate chain',
    files.certificate,
    (text) => new X509Certificate(text),
  )
  const key = pem('COFFER_TLS_KEY', 'a private key', files.key, createPrivateKey)
  if ('problem' in certificate || 'problem' in key) {
    throw new ConfigError(
      [certificate, key].flatMap((part) => ('problem' in part ? [part.problem] : [])),
    )
  }
  if (!certificate.parsed.checkPrivateKey(key.parsed)) {
    throw new ConfigError([
      `COFFER_TLS_KEY must be the key of the certificate in ${files.certificate}; ${files.key} is not`,
    ])
  }
  return { certificate: certificate.text, key: key.text }
}

function pem<T>(
  name: string,
  what: string,
  path: string,
  parse: (text: string) => T,
): { text: string; parsed: T } | { problem: string } {
  try {
    const text = readFileSync(path, 'utf8')
    return { text, parsed: parse(text) }
  } catch (cause) {
    const reason = messageOf(cause)
    return { problem: `${name} must name a file with ${what} in PEM form, not ${path}: ${reason}` }
  }
}

/** One that every client trusts is not made anew for a file that is damaged or lost. (The key is written first.) */
function readAuthority(files: { certificate: string; key: string }): KeyPair | undefined {
  try {
    if (existsSync(files.certificate)) createPrivateKey(readFileSync(files.key, 'utf8'))
    return read(files)
  } catch (cause) {
    throw new Error(
      `the local certificate authority cannot be read (${messageOf(cause)}): put ${files.certificate} and ${files.key} back from a backup, or remove both and have another made, which every client must trust anew`,
      { cause },
    )
  }
}

/** What is damaged of it is made anew. */
function readServer(files: { certificate: string; key: string }): KeyPair | undefined {
  try {
    return read(files)
  } catch {
    return undefined
  }
}

function read(files: { certificate: string; key: string }): KeyPair | undefined {
  if (!existsSync(files.certificate) || !existsSync(files.key)) return undefined
  const pair = readKeyPair(files)
  const matches = new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key))
  return matches ? pair : undefined
}

function isGood(
  pair: KeyPair,
  authority: KeyPair,
  names: readonly CertificateName[],
  now: Date,
): boolean {
  const certificate = new X509Certificate(pair.certificate)
  return (
    certificate.verify(new X509Certificate(authority.certificate).publicKey) &&
    !expiresWithin(pair, RENEW_BEFORE_MS, now) &&
    names.every(({ type, value }) =>
      type === 'ip' ? certificate.checkIP(value) : certificate.checkHost(value),
    )
  )
}

function expiresWithin(pair: KeyPair, milliseconds: number, now: Date): boolean {
  return Date.parse(new X509Certificate(pair.certificate).validTo) - now.getTime() < milliseconds
}

/** Two files cannot be replaced in one step: after a crash between them they do not match, and `read` says so. */
function write(files: { certificate: string; key: string }, pair: KeyPair): void {
  writeWhole(files.key, pair.key, 0o600)
  writeWhole(files.certificate, pair.certificate, 0o644)
}
