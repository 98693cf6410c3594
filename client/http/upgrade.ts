import type { ClientRequest, IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { CHANNEL_PROTOCOL } from '../../server/wire/frames.js'
import { codeOf } from '../error-of.js'
import type { Credentials } from './api.js'
import type { Silence } from './duplex.js'
import { Declined, type Exchange, ExchangeError } from './exchange.js'
import {
  type ChannelBounds,
  type FrameConnection,
  type FrameReceiver,
  NotUpgraded,
} from './frame-connection.js'
import { hiddenServer, hidesServer } from './hidden-server.js'
import { otherVersion } from './other-version.js'
import { HANDSHAKE_MILLISECONDS, isUntrusted } from './trust.js'

/**
 * Ahead of the token's end: a session has a new one a minute before. The server cuts what is idle after three minutes, and what
 * stands between does, too.
 */
const BOUNDS: ChannelBounds = {
  lifeMilliseconds: 50_000,
  idleMilliseconds: 15_000,
  operations: Number.POSITIVE_INFINITY,
}

/**
 * GET /batch with `Upgrade` (RFC 9110 section 7.8): frames over the bare connection.
 * @throws NotUpgraded, OtherVersion, or ExchangeError where it is no matter of that; nothing was carried out
 */
export async function upgrade(
  agent: Agent,
  { url, headers }: Pick<Exchange, 'url' | 'headers'>,
  credentials: Credentials,
  silence: Silence,
  receiver: FrameReceiver,
): Promise<FrameConnection> {
  const asked: Exchange = { method: 'GET', url, limit: 0 }
  const carried = await credentials.headers(asked)
  const fields = { Connection: 'Upgrade', Upgrade: CHANNEL_PROTOCOL }
  const outgoing = request(url, { agent, headers: { ...headers, ...carried, ...fields } })
  const silent = () => {
    silence.lost()
    outgoing.destroy(new Error('the connection fell silent'))
  }
  outgoing.setTimeout(silence.milliseconds, silent)
  let late: NodeJS.Timeout | undefined
  outgoing.once('socket', (socket) => {
    boundHandshake(socket as TLSSocket, outgoing)
    // Fields that trickle without end are silence, too.
    late = setTimeout(silent, HANDSHAKE_MILLISECONDS + silence.milliseconds)
  })
  const upgraded = new Promise<[IncomingMessage, Socket, Buffer]>((resolve, reject) => {
    outgoing.once('upgrade', (response, socket, head) => {
      resolve([response, socket as Socket, head])
    })
    outgoing.once('response', (response) => {
      response.resume()
      reject(response)
    })
    outgoing.on('error', reject)
  })
  outgoing.end()
  try {
    const [response, socket, head] = await upgraded
    credentials.heard?.(asked, response.headers)
    return bare(socket, head, silence, receiver)
  } catch (cause) {
    if (!isAnswer(cause)) {
      const { code = '', message } = cause as NodeJS.ErrnoException
      if (isUntrusted(code)) throw new ExchangeError('untrusted', message, { cause })
      // A proxy that knows no Upgrade may well hang up.
      if (isReset(cause)) throw new NotUpgraded(`${url.host} hung up`, { cause })
      throw new ExchangeError('unreachable', `${url.host}: no connection`, { cause })
    }
    credentials.heard?.(asked, cause.headers)
    const { statusCode = 0 } = cause
    if (hidesServer(statusCode, cause.headers)) throw hiddenServer(url.host, statusCode)
    if (statusCode === 401) {
      const refused = { status: 401, headers: cause.headers, body: Buffer.alloc(0) }
      await credentials.renewed(carried, asked, refused)
    }
    const other = statusCode === 426 ? otherVersion(url.host, cause.headers.upgrade) : undefined
    if (other !== undefined) throw other
    const message = `${url.pathname} answered ${statusCode}`
    if (PASSING.has(statusCode)) throw new Declined(message, statusCode)
    throw new NotUpgraded(message)
  } finally {
    clearTimeout(late)
  }
}

/** Whoever sets up a connection so slowly is as good as away; programs wait. */
function boundHandshake(socket: TLSSocket, outgoing: ClientRequest): void {
  // Null before the handshake; one that is used again, or was compared first, is past that.
  if (socket.alpnProtocol !== null) return
  const late = setTimeout(() => {
    outgoing.destroy(new Error('no connection in time'))
  }, HANDSHAKE_MILLISECONDS)
  const over = (): void => clearTimeout(late)
  socket.once('secureConnect', over)
  socket.once('close', over)
}

/** Answers that are about the login or the moment, and not about the upgrade. */
const PASSING = new Set([401, 403, 429, 503])

function isAnswer(cause: unknown): cause is IncomingMessage {
  return typeof cause === 'object' && cause !== null && 'statusCode' in cause
}

function isReset(cause: unknown): boolean {
  return codeOf(cause) === 'ECONNRESET'
}

function bare(
  socket: Socket,
  head: Buffer,
  silence: Silence,
  receiver: FrameReceiver,
): FrameConnection {
  const lost = (cause: unknown) =>
    receiver.over(new ExchangeError('lost', 'the connection of a channel broke', { cause }))
  socket.setNoDelay(true)
  socket.setTimeout(silence.milliseconds, () => {
    if (!receiver.isWaiting()) return
    silence.lost()
    socket.destroy(new Error('the connection fell silent'))
  })
  let failure: unknown
  socket.on('error', (error) => {
    failure = error
  })
  socket.on('close', () => lost(failure))
  socket.on('data', (data) => receiver.came(data))
  if (head.length > 0) receiver.came(head)
  let isEnding = false
  return {
    write: (data) => void socket.write(data),
    end() {
      // Each call would wait for the end of what is unsent anew.
      if (!isEnding) socket.destroySoon()
      isEnding = true
    },
    destroy: () => void socket.destroy(),
    bounds: BOUNDS,
  }
}
