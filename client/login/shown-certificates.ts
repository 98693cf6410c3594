import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { ExchangeError } from '../http/exchange.js'
import { fingerprintOf } from '../http/fingerprint.js'
import { HANDSHAKE_MILLISECONDS } from '../http/trust.js'

/** What a server shows of itself, without trusting it: its certificate, and the authority that comes with it. */
export interface ShownCertificates {
  readonly fingerprint: string
  readonly authority: { readonly fingerprint: string; readonly pem: string } | undefined
}

export function shownCertificates(server: URL): Promise<ShownCertificates> {
  return new Promise((resolve, reject) => {
    const host = server.hostname.replace(/^\[|\]$/g, '')
    const socket = connect({
      host,
      port: Number(server.port || 443),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: false,
      timeout: HANDSHAKE_MILLISECONDS,
    })
    socket.once('error', (cause) => {
      reject(new ExchangeError('unreachable', cause.message, { cause }))
    })
    socket.once('timeout', () => socket.destroy(new Error('no answer in time')))
    socket.once('secureConnect', () => {
      const leaf = socket.getPeerCertificate(true)
      socket.destroy()
      const last = lastOf(leaf)
      resolve({
        fingerprint: fingerprintOf(leaf.fingerprint256),
        authority:
          last === leaf || last.ca !== true
            ? undefined
            : {
                fingerprint: fingerprintOf(last.fingerprint256),
                pem: new X509Certificate(last.raw).toString(),
              },
      })
    })
  })
}

/** The end of the chain that came: node links the last certificate to itself. */
function lastOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate {
  let at = leaf
  for (let length = 0; length < 10; length++) {
    const next = at.issuerCertificate
    if (next === undefined || next === at || next.fingerprint256 === at.fingerprint256) break
    at = next
  }
  return at
}
