import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { CertificateName } from './names.js'

x509.cryptoProvider.set(webcrypto)

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000
const AUTHORITY_DAYS = 3650
/** Within what every browser takes from an authority that the user added. */
const SERVER_DAYS = 200
/** Clocks differ: valid a little before it is made. */
const BACKDATED = 3_600_000

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

/**
 * Makes a certificate authority that signs servers of one machine and nothing below them. Its name has a part of its key's
 * identifier: Firefox looks for an issuer by name alone, and to whom trusts another authority of the same name it says that
 * the signature is invalid, and lets nobody go on.
 */
export async function makeAuthority(machine: string, now: Date): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const identifier = await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [
      { CN: [`Coffer local CA ${identifier.keyId.slice(0, 8)} on ${machine}`] },
      { O: ['Coffer'] },
    ],
    notBefore: new Date(now.getTime() - BACKDATED),
    notAfter: new Date(now.getTime() + AUTHORITY_DAYS * DAY),
    signingAlgorithm: ALGORITHM,
    keys: keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      identifier,
    ],
  })
  return { certificate: pem(certificate), key: await privateKeyPem(keys.privateKey) }
}

/** Makes a server certificate for these names, signed by the authority. The authority's own follows it in the chain. */
export async function makeServerCertificate(
  authority: KeyPair,
  names: readonly CertificateName[],
  now: Date,
): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.certificate)
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(authority.key),
    ALGORITHM,
    false,
    ['sign'],
  )
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const notAfter = Math.min(now.getTime() + SERVER_DAYS * DAY, issuer.notAfter.getTime())
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: ['Coffer server'] }],
    issuer: issuer.subject,
    notBefore: new Date(now.getTime() - BACKDATED),
    notAfter: new Date(notAfter),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([...names]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return {
    certificate: pem(certificate) + pem(issuer),
    key: await privateKeyPem(keys.privateKey),
  }
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key)
  return `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`
}

/** Positive, at most 20 octets, not guessable (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}
