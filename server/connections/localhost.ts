import { lookup } from 'node:dns/promises'
import type { AddressInfo } from 'node:net'
import type { Listeners } from './listen.js'

const ALL: ReadonlySet<string> = new Set(['::', '0.0.0.0'])

/** Whether "localhost" leads here: many a /etc/hosts gives it one address, and another is listened on. */
export async function isAtLocalhost({ servers }: Pick<Listeners, 'servers'>): Promise<boolean> {
  const addresses = new Set(servers.map((server) => (server.address() as AddressInfo).address))
  if ([...ALL].some((all) => addresses.has(all))) return true
  // Where nobody knows the name, browsers and programs take it for the loopback addresses (RFC 6761 section 6.3).
  const found = await lookup('localhost', { all: true }).catch(() => undefined)
  return found === undefined || found.some(({ address }) => addresses.has(address))
}
