import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { IncomingMessage } from 'node:http'
import { createServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { type Close, closing } from './closing.js'
import { LeanResponse } from './lean-response.js'
import { type Listening, type OnOnePort, onOnePort } from './one-port.js'
import { upgradesOnly } from './upgrades-only.js'

const SECOND = 1000

export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly tls: SecureContextOptions
  readonly maxConnections: number
  /** Of one address; undefined behind a proxy, from whose address everybody comes. */
  readonly maxConnectionsOfAddress: number | undefined
  /** Which requests become something else than HTTP; the others ignore `Upgrade`. */
  readonly isUpgrade: (request: IncomingMessage) => boolean
}

type Server = HttpsServer<typeof IncomingMessage, typeof LeanResponse>

/** The server on all addresses of its host: "localhost" is two, 127.0.0.1 and ::1. */
export interface Listeners {
  readonly port: number
  readonly servers: readonly Server[]
  setTls(options: SecureContextOptions): void
  readonly close: Close
}

export async function listen(options: ListenOptions): Promise<Listeners> {
  const { listening, failures } = await opened(options)
  const servers = listening.map(({ server }) => server)
  // /etc/hosts gives "localhost" an address of a family that many containers lack: that one may be missing.
  const fatal = servers.length === 0 ? failures[0] : failures.find((cause) => !isAbsent(cause))
  if (fatal !== undefined) {
    for (const each of listening) each.close()
    throw explained(fatal, options)
  }
  if (options.maxConnectionsOfAddress !== undefined) {
    limitConnections(servers, options.maxConnectionsOfAddress)
  }
  return {
    port: listening[0]?.port ?? options.port,
    servers,
    setTls(tls) {
      for (const server of servers) server.setSecureContext(tls)
    },
    close: closing(servers),
  }
}

interface ListeningServer extends Listening {
  readonly server: Server
}

async function opened(options: ListenOptions): Promise<OnOnePort<ListeningServer>> {
  const listenOn = async (address: string, port: number): Promise<ListeningServer> => {
    const server = configured(options)
    server.listen({ host: address, port, ipv6Only: address.includes(':') && address !== '::' })
    await once(server, 'listening')
    const bound = server.address() as AddressInfo
    return { server, port: bound.port, close: () => server.close() }
  }
  if (options.host !== '::') return onOnePort(await addressesOf(options), options.port, listenOn)
  const all = await onOnePort(['::'], options.port, listenOn)
  if (all.listening.length > 0) return all
  // Where there is no IPv6.
  const { listening, failures } = await onOnePort(['0.0.0.0'], options.port, listenOn)
  return { listening, failures: [...all.failures, ...failures] }
}

function configured({ tls, maxConnections, isUpgrade }: ListenOptions): Server {
  const server = createServer({
    ...tls,
    ...upgradesOnly(isUpgrade),
    IncomingMessage,
    ServerResponse: LeanResponse,
    noDelay: true,
    // A 1 GiB upload over a slow line takes hours: no limit for a whole request. A connection on which nothing moves is
    // cut, and headers must arrive at once.
    requestTimeout: 0,
    headersTimeout: 20 * SECOND,
    handshakeTimeout: 20 * SECOND,
    keepAliveTimeout: 75 * SECOND,
    // A token of 64 KiB is refused as what it is, a bad token (401), and not before anybody has looked at it (431).
    maxHeaderSize: 80 * 1024,
    // soundness.ts looks at it, and says what is wrong.
    requireHostHeader: false,
  })
  server.timeout = 180 * SECOND
  server.maxConnections = maxConnections
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

async function addressesOf(options: ListenOptions): Promise<string[]> {
  try {
    const found = await lookup(options.host, { all: true, order: 'ipv4first' })
    return [...new Set(found.map(({ address }) => address))]
  } catch (cause) {
    throw explained(cause, options)
  }
}

function isAbsent(cause: unknown): boolean {
  const codes = ['EADDRNOTAVAIL', 'EAFNOSUPPORT']
  return cause instanceof Error && 'code' in cause && codes.includes(String(cause.code))
}

/** Nobody takes all the connections there are. */
function limitConnections(servers: readonly Server[], most: number): void {
  const counts = new Map<string, number>()
  for (const server of servers) {
    server.on('connection', (socket: Socket) => {
      const address = socket.remoteAddress ?? ''
      const count = (counts.get(address) ?? 0) + 1
      counts.set(address, count)
      socket.once('close', () => {
        const left = (counts.get(address) ?? 1) - 1
        if (left > 0) counts.set(address, left)
        else counts.delete(address)
      })
      if (count > most) socket.destroy()
    })
  }
}

function explained(cause: unknown, { host, port }: ListenOptions): unknown {
  if (!(cause instanceof Error) || !('code' in cause)) return cause
  const advice: Readonly<Record<string, string>> = {
    EADDRINUSE:
      'another program listens there: stop it, or choose another port with --port or COFFER_PORT',
    EACCES: 'this port is for root: choose one from 1024 on with --port or COFFER_PORT',
    EADDRNOTAVAIL: 'this machine has no such address: choose another with --host or COFFER_HOST',
    ENOTFOUND: 'this name has no address: choose another with --host or COFFER_HOST',
  }
  const what = advice[String(cause.code)] ?? cause.message
  return new Error(`cannot listen on ${host} port ${port}: ${what}`, { cause })
}
