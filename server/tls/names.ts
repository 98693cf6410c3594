import { isIP } from 'node:net'

/** The names a certificate is good for, as subjectAltName has them (RFC 5280 section 4.2.1.6). */
export type CertificateName = { type: 'dns'; value: string } | { type: 'ip'; value: string }

const LOCAL: readonly CertificateName[] = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' },
  { type: 'ip', value: '::1' },
]

/** dNSName: letters, digits and hyphens in labels of at most 63 (RFC 1034 section 3.5). */
const DNS_NAME = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/

/** Addresses that mean "every interface": nobody connects to them by name. */
const WILDCARDS = new Set(['::', '0.0.0.0'])

/** This machine's names: local ones, what it calls itself, what it listens on, and what people call it (the issuer). */
export function certificateNames(...hosts: string[]): CertificateName[] {
  const names = new Map(LOCAL.map((name) => [name.value, name]))
  for (const host of hosts) {
    // The zone of an address is this machine's own matter (RFC 4007 section 11.2).
    const value = host
      .toLowerCase()
      .replace(/^\[(.*)\]$/, '$1')
      .replace(/%.*$/, '')
    if (WILDCARDS.has(value)) continue
    if (isIP(value) !== 0) names.set(value, { type: 'ip', value })
    else if (DNS_NAME.test(value)) names.set(value, { type: 'dns', value })
  }
  return [...names.values()]
}
