import { constants } from 'node:crypto'
import { statSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { KeyPair } from './authority.js'

/**
 * TLS 1.2 and 1.3; for 1.2 only forward-secret AEAD suites (RFC 9325 section 4.2). In the server's order, which is by cost: but
 * who puts ChaCha20 first has no hardware for AES, and gets it.
 */
const TLS_OPTIONS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_PRIORITIZE_CHACHA,
} as const satisfies SecureContextOptions

export function contextOptions(pair: KeyPair): SecureContextOptions {
  return { ...TLS_OPTIONS, cert: pair.certificate, key: pair.key }
}

export interface CertificateKeeper {
  /** Reads the certificate again and serves it from the next connection on. Never throws: the old one stays. */
  reload(): Promise<void>
  stop(): void
}

export interface KeeperOptions {
  /** Answers the certificate to serve now; makes a new one where that is its job. */
  load(): Promise<KeyPair>
  apply(options: SecureContextOptions): void
  /** What to watch. */
  files: readonly string[]
  report(outcome: { kind: 'loaded' } | { kind: 'failed'; cause: unknown }): void
  watchEveryMs?: number
  renewEveryMs?: number
}

/**
 * Keeps the served certificate up to date: loads it again when a file of it changes (by looking, because a watch does not
 * follow the symlinks of certbot and Kubernetes), and twice a day so that a local one is renewed before it expires.
 */
export function keepCertificate(options: KeeperOptions): CertificateKeeper {
  const { load, apply, files, report, watchEveryMs = 5_000, renewEveryMs = 43_200_000 } = options
  let seen = fingerprint(files)

  async function reload(): Promise<void> {
    try {
      const next = contextOptions(await load())
      createSecureContext(next) // throws when the key is another certificate's
      apply(next)
      report({ kind: 'loaded' })
    } catch (cause) {
      report({ kind: 'failed', cause })
    }
    seen = fingerprint(files)
  }

  const watch = setInterval(() => {
    if (fingerprint(files) !== seen) void reload()
  }, watchEveryMs).unref()
  const renew = setInterval(() => void reload(), renewEveryMs).unref()
  return {
    reload,
    stop() {
      clearInterval(watch)
      clearInterval(renew)
    },
  }
}

function fingerprint(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const stat = statSync(file, { throwIfNoEntry: false })
        return stat === undefined ? 'missing' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`
      } catch {
        return 'unreadable' // as on a disk that has failed; what is served stays
      }
    })
    .join(' ')
}
