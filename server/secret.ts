import { hkdfSync, randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { isOpenToOthers } from './open-to-others.js'
import { writeWhole } from './whole-file.js'

/** What each derived key is for: a key is never used for two things. */
export type Purpose = 'cookie' | 'csrf' | 'audit' | 'oauth' | 'check'

/** The one secret all others are derived from (RFC 5869). It never leaves this object. */
export interface Secret {
  /** 32 bytes for one purpose. */
  derive(purpose: Purpose): Buffer
}

export function secretOf(material: string): Secret {
  return {
    derive: (purpose) => Buffer.from(hkdfSync('sha256', material, '', `coffer ${purpose}`, 32)),
  }
}

/** With it no signing key opens and no audit entry verifies, and what is made with it is of no use to the server. */
export class WrongSecret extends Error {
  override readonly name = 'WrongSecret'

  constructor() {
    super(
      'the secret is not the one that this data directory was set up with: give that by COFFER_SECRET or COFFER_SECRET_FILE or as the file "secret" in the data directory, or, if it is lost, start once with --accept-secret-change (everybody signs in again, and the audit log until now can no longer be verified)',
    )
  }
}

/**
 * Reads the secret.
 * @throws when others may read the file, or when it is too short to be a secret
 */
export function secretFromFile(path: string): Secret {
  if (isOpenToOthers(path)) {
    throw new Error(`${path} can be read by others: run "chmod 600 ${path}"`)
  }
  const material = readFileSync(path, 'utf8').trim()
  if (material.length < 32) {
    throw new Error(
      `${path} must hold at least 32 characters, for example from "openssl rand -base64 48"`,
    )
  }
  return secretOf(material)
}

/** Whether there is none, as in a file that loss of power has left empty, or as zeros, before it was ever used. */
export function isSecretMissing(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return true
  return readFileSync(path).every((byte) => byte === 0)
}

export function makeSecret(path: string): void {
  writeWhole(path, `${randomBytes(48).toString('base64url')}\n`, 0o600)
}
