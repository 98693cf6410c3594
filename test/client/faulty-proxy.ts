import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { createServer, request as forward } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { TestServer } from '../support/server.js'

/**
 * Stands between client and server. `fault` decides on each request:
 * - `pass`: forwards it and the answer
 * - `lose the answer`: lets the server carry it out, then cuts the connection
 * - `cut`: cuts the connection without telling the server
 * - `silence`: takes the request and never says anything
 * - a status: answers it, without telling the server
 * - `Held`: lets the server answer, and holds the answer back
 */
export type Fault = 'pass' | 'lose the answer' | 'cut' | 'silence' | number | Held

export interface Held {
  /** The server has answered. */
  answered(): void
  /** Then the answer goes on to the client. */
  readonly until: Promise<void>
}

/** A connection that was upgraded and is passed on as it is. */
export interface Tunnel {
  readonly client: Duplex
  readonly server: Duplex
}

/** What becomes of requests with `Upgrade`: by default that field goes no further, as with most proxies. */
export type Upgrades = 'ignore' | 'tunnel' | 'hang up' | OtherProtocol

/** As a server answers that knows another version of the protocol. */
export interface OtherProtocol {
  protocol: string | undefined
}

export interface FaultyProxy {
  readonly url: string
  readonly tunnels: Tunnel[]
  fault: (request: IncomingMessage) => Fault
  /** Method and target of everything that reached the server. */
  readonly carriedOut: string[]
  close(): Promise<void>
}

export async function faultyProxy(
  server: Pick<TestServer, 'data' | 'issuer' | 'ca'>,
  upgrades: Upgrades = 'ignore',
  ownPort = 0,
): Promise<FaultyProxy> {
  const tls = (name: string): string => readFileSync(join(server.data, 'tls', name), 'utf8')
  const carriedOut: string[] = []
  const proxy: { fault: FaultyProxy['fault'] } = { fault: () => 'pass' }
  const listener = createServer(
    { cert: tls('server.pem'), key: tls('server-key.pem') },
    (incoming, reply) => {
      const fault = proxy.fault(incoming)
      if (fault === 'silence') return
      if (fault === 'cut') {
        incoming.socket.destroy()
        return
      }
      if (typeof fault === 'number') {
        incoming.resume()
        reply.writeHead(fault).end()
        return
      }
      carriedOut.push(`${incoming.method} ${incoming.url}`)
      const onward = forward(
        new URL(incoming.url ?? '/', server.issuer),
        { method: incoming.method, headers: endToEnd(incoming.headers), ca: server.ca },
        (answer) => {
          if (fault === 'lose the answer') {
            answer.resume()
            answer.once('end', () => incoming.socket.destroy())
            return
          }
          const pass = () => {
            reply.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(reply)
          }
          if (typeof fault !== 'object') return pass()
          fault.answered()
          void fault.until.then(pass)
        },
      )
      onward.once('error', () => incoming.socket.destroy())
      incoming.once('error', () => onward.destroy())
      reply.once('close', () => onward.destroy())
      incoming.pipe(onward)
    },
  )
  const tunnels: Tunnel[] = []
  if (upgrades !== 'ignore') {
    listener.on('upgrade', (incoming: IncomingMessage, client: Duplex) => {
      client.on('error', () => {})
      if (upgrades === 'hang up') {
        client.destroy()
        return
      }
      if (typeof upgrades === 'object' && upgrades.protocol !== undefined) {
        const { protocol } = upgrades
        client.end(
          `HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nUpgrade: ${protocol}\r\nContent-Length: 0\r\n\r\n`,
        )
        return
      }
      const { url = '/', headers } = incoming
      carriedOut.push(`UPGRADE ${url}`)
      const onward = forward(new URL(url, server.issuer), { headers, ca: server.ca, agent: false })
      onward.once('upgrade', ({ rawHeaders }, far) => {
        const fields = rawHeaders.map((text, at) => (at % 2 === 0 ? `\r\n${text}: ` : text))
        client.write(`HTTP/1.1 101 Switching Protocols${fields.join('')}\r\n\r\n`)
        tunnels.push({ client, server: far })
        far.on('error', () => {})
        client.pipe(far).pipe(client)
        client.once('close', () => far.destroy())
      })
      onward.once('response', () => client.destroy())
      onward.end()
    })
  }
  await new Promise<void>((resolve) => listener.listen(ownPort, '127.0.0.1', resolve))
  return Object.assign(proxy, {
    url: `https://localhost:${(listener.address() as AddressInfo).port}`,
    carriedOut,
    tunnels,
    close: () =>
      new Promise<void>((resolve) => {
        listener.close(() => resolve())
        listener.closeAllConnections()
        for (const { client } of tunnels) client.destroy()
      }),
  })
}

/** Fields about one connection go no further (RFC 9110 section 7.6.1). */
function endToEnd({
  connection: _,
  upgrade: __,
  ...others
}: IncomingHttpHeaders): IncomingHttpHeaders {
  return others
}
