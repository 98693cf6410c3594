import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { heldBytes } from '../../connections/held-bytes.js'
import { LeanResponse } from '../../connections/lean-response.js'
import { afterAnswers } from '../../connections/pipeline.js'
import { CHANNEL_PROTOCOL } from '../../wire/frames.js'
import { rawTarget } from '../exchange/target.js'

/** A connection that is to carry frames from now on. */
export interface Upgraded {
  readonly socket: Socket
  /** The server is about to stop. */
  readonly closing: AbortSignal
}

export interface UpgradeOptions {
  /** Nothing moving for so long, a connection is dead. */
  readonly silenceMilliseconds: number
  /** Once aborted, nothing is upgraded any more. */
  readonly closing: AbortSignal
}

const UPGRADED = new WeakMap<IncomingMessage, Upgraded>()

/** What a request with `Upgrade` brought, if that was asked for which there is. */
export function upgraded(request: IncomingMessage): Upgraded | undefined {
  return UPGRADED.get(request)
}

/**
 * Lets GET /batch become a channel (RFC 9110 section 7.8). It is a request like all others until its route has answered:
 * what refuses it is an ordinary answer, the last of its connection. Any other `Upgrade` is ignored, as section 7.8 allows; that
 * answer is the last, too, for Node drops what has come with such a request behind its content.
 */
export function takeUpgrades(
  server: Server<typeof IncomingMessage, typeof LeanResponse>,
  handle: RequestListener<typeof IncomingMessage, typeof LeanResponse>,
  { silenceMilliseconds, closing }: UpgradeOptions,
): void {
  const endIgnored = ({ socket }: IncomingMessage, response: LeanResponse): void => {
    if (IGNORED.has(socket)) response.shouldKeepAlive = false
  }
  server.prependListener('request', endIgnored)
  server.prependListener('checkContinue', endIgnored)
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    // of a server that listens to connections it always is one, where the request has no content
    const socket = stream as Socket
    // What befalls a connection shows in its end.
    const dropped = () => {}
    const silent = () => socket.destroy()
    socket.on('error', dropped)
    socket.on('timeout', silent)
    socket.setTimeout(silenceMilliseconds)
    const letGo = heldBytes(socket, head)
    const take = (): void => {
      if (closing.aborted || !isUpgrade(request)) {
        socket.off('error', dropped)
        socket.off('timeout', silent)
        handBack(server, request, socket)
        letGo()
        return
      }
      letGo()
      // the end of an earlier answer has set another
      socket.setTimeout(silenceMilliseconds)
      const response = new LeanResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(socket)
      response.once('finish', () => {
        if (response.statusCode !== 101) socket.end()
      })
      UPGRADED.set(request, { socket, closing })
      handle(request, response)
    }
    afterAnswers(socket, take)
  })
}

/** Connections with a request whose `Upgrade` was ignored. */
const IGNORED = new WeakSet<Socket>()

/** For `upgradesOnly`; the server of `takeUpgrades` is made with it. */
export function isUpgrade(request: IncomingMessage): boolean {
  const isOne = asksForChannel(request)
  if (!isOne) IGNORED.add(request.socket)
  return isOne
}

function asksForChannel({ method, url = '', headers, httpVersion }: IncomingMessage): boolean {
  const protocols = (headers.upgrade ?? '').split(',').map((name) => name.trim().toLowerCase())
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    protocols.includes(CHANNEL_PROTOCOL) &&
    rawTarget(url)?.kind === 'batch'
  )
}

/**
 * Older Node takes every request with `Upgrade` out of HTTP, content and all, as soon as somebody listens for one: what is none of
 * ours goes back in without that field. So does, with any, what comes too late for a channel.
 */
function handBack(server: Server, request: IncomingMessage, socket: Socket): void {
  const { method = '', url = '', httpVersion, rawHeaders } = request
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[at + 1] ?? ''}`)
  }
  // The parser lets no end of a line into a value; if it ever did, that would be another request.
  if (lines.some((line) => /[\r\n\0]/.test(line))) {
    socket.destroy()
    return
  }
  IGNORED.add(socket)
  socket.unshift(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'))
  server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
}
