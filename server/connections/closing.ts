import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { LeanResponse } from './lean-response.js'

type Server = HttpsServer<typeof IncomingMessage, typeof LeanResponse>

/** While closing, a stream of events that comes again on a kept-alive connection is ended again. */
const STREAMS_MILLISECONDS = 100
/** While closing, a connection that has asked nothing yet may still do so for this long. */
const FIRST_REQUEST_MILLISECONDS = 1000

/**
 * Takes no more connections, lets requests under way finish, and cuts what is left after the grace. Answers false when
 * something had to be cut.
 */
export type Close = (graceMs: number) => Promise<boolean>

/** Keeps account, from now on, of what closing these servers will have to wait for. */
export function closing(servers: readonly Server[]): Close {
  const open = openResponses(servers)
  const secure = openSockets(servers)
  const unused = unusedConnections(servers, open)

  return async (graceMs) => {
    const closed = Promise.all(
      servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    )
    // A kept-alive connection that is busy now must not wait for the next request afterwards.
    for (const server of servers) {
      server.keepAliveTimeout = 1
      // What still comes on the connections there are is answered, and is the last of its connection.
      server.prependListener('request', (_request, response) => {
        response.setHeader('Connection', 'close')
      })
    }
    for (const response of unfinished(open)) {
      if (!response.headersSent) response.setHeader('Connection', 'close')
    }
    endStreams(open)
    const again = setInterval(() => endStreams(open), STREAMS_MILLISECONDS)
    const waited = setTimeout(() => {
      for (const socket of unused()) socket.destroy()
    }, FIRST_REQUEST_MILLISECONDS)
    let cut = false
    const timer = setTimeout(() => {
      cut = true
      for (const server of servers) server.closeAllConnections()
      // Those that became channels are no connections of HTTP any more.
      for (const socket of secure) socket.destroy()
    }, graceMs)
    await closed
    for (const each of [again, waited, timer]) clearTimeout(each)
    return !cut
  }
}

/** The latest answer of each connection that has asked anything. */
type Responses = ReadonlyMap<Socket, ServerResponse>

/**
 * By connection, of which there are few and for long: a set that every answer enters and leaves would keep the garbage
 * collector busy, for what it once held outlives its time there.
 */
function openResponses(servers: readonly Server[]): Responses {
  const latest = new Map<Socket, ServerResponse>()
  for (const server of servers) {
    server.on('request', ({ socket }, response) => {
      if (!latest.has(socket)) socket.once('close', () => latest.delete(socket))
      latest.set(socket, response)
    })
  }
  return latest
}

function* unfinished(responses: Responses): Iterable<ServerResponse> {
  for (const response of responses.values()) if (!response.writableFinished) yield response
}

/** Streams of events never end by themselves; their clients come again. */
function endStreams(responses: Responses): void {
  for (const response of unfinished(responses)) {
    if (String(response.getHeader('Content-Type')).startsWith('text/event-stream')) response.end()
  }
}

function openSockets(servers: readonly Server[]): Iterable<Socket> {
  const sockets = new Set<Socket>()
  for (const server of servers) {
    server.on('secureConnection', (socket) => {
      // One that asked for an upgrade that there is not comes again.
      if (sockets.has(socket)) return
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
  }
  return sockets
}

/**
 * Connections on which nothing was asked yet, as browsers open them ahead, and those whose handshake is not over. Node.js
 * takes them for busy, and a server that closes would wait for them (nodejs/node, `ConnectionsList::Idle`).
 */
function unusedConnections(servers: readonly Server[], responses: Responses): () => Socket[] {
  const connections = new Set<Socket>()
  const upgraded = new Set<Socket>()
  for (const server of servers) {
    server.on('connection', (socket: Socket) => {
      connections.add(socket)
      socket.once('close', () => connections.delete(socket))
    })
    server.on('upgrade', ({ socket }: IncomingMessage) => {
      // One that asked for an upgrade that there is not comes again.
      if (upgraded.has(socket)) return
      upgraded.add(socket)
      socket.once('close', () => upgraded.delete(socket))
    })
  }
  // What is asked comes through a socket of TLS, which does not say what it is made of.
  const peer = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`
  return () => {
    const used = new Set([...responses.keys(), ...upgraded].map(peer))
    return [...connections].filter((socket) => !used.has(peer(socket)))
  }
}
