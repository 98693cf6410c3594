import got, { type Got, RequestError, TimeoutError } from 'got'
import { bulkSender, isBulk } from './bulk.js'
import { type Duplex, duplex } from './duplex.js'
import { type Answer, type Exchange, ExchangeError, MOST_REFUSALS, type Send } from './exchange.js'
import type { FrameConnection, FrameReceiver } from './frame-connection.js'
import {
  agentFor,
  CertificateChanged,
  HANDSHAKE_MILLISECONDS,
  isUntrusted,
  type Trust,
} from './trust.js'
import { upgrade } from './upgrade.js'
import type { Uploading } from './uploading.js'

/** The only file that knows got: HTTP requests over kept-alive TLS connections, one try each. */

export interface ClientOptions {
  readonly trust: Trust
  /** Given for the file API; without it requests carry no credentials. */
  readonly credentials?: Credentials
  readonly connections?: number
  /** A connection on which nothing moves for this long is dead. */
  readonly silenceMilliseconds?: number
  readonly uploading?: Uploading
}

/** What a request carries to be let in. */
export interface Credentials {
  headers(exchange: Exchange): Promise<Readonly<Record<string, string>>>
  /** The server refused these headers with 401: gets better ones, or throws. */
  renewed(
    refused: Readonly<Record<string, string>>,
    exchange: Exchange,
    answer: Answer,
  ): Promise<Readonly<Record<string, string>>>
  /** Every answer passes by here: it may say what later requests must carry. */
  heard?(exchange: Exchange, headers: Answer['headers']): void
}

export interface Client {
  readonly send: Send
  /** Content and answer at the same time, for POST /batch. */
  duplex(
    exchange: Pick<Exchange, 'method' | 'url' | 'headers'>,
    isWaiting: () => boolean,
  ): Promise<Duplex>
  /** The frames of POST /batch over a bare connection. @throws NotUpgraded where there is no such */
  upgrade(
    exchange: Pick<Exchange, 'url' | 'headers'>,
    receiver: FrameReceiver,
  ): Promise<FrameConnection>
  /** Closes the idle connections; the next request makes a new one. */
  forgetIdle(): void
  close(): void
}

/** Requests in flight at once; more of them wait in the agent's queue. */
const CONNECTIONS = 16
const SILENCE_MILLISECONDS = 20_000

export function httpClient(options: ClientOptions): Client {
  const { silenceMilliseconds = SILENCE_MILLISECONDS } = options
  const agent = agentFor(options.trust, {
    keepAlive: true,
    keepAliveMsecs: 10_000,
    maxSockets: options.connections ?? CONNECTIONS,
    maxFreeSockets: options.connections ?? CONNECTIONS,
    scheduling: 'lifo',
  })
  const client = got.extend({
    agent: { https: agent },
    responseType: 'buffer',
    throwHttpErrors: false,
    followRedirect: false,
    decompress: false,
    retry: { limit: 0 },
    timeout: {
      lookup: HANDSHAKE_MILLISECONDS,
      connect: HANDSHAKE_MILLISECONDS,
      secureConnect: HANDSHAKE_MILLISECONDS,
      socket: silenceMilliseconds,
      // Fields that trickle without end are silence, too.
      response: silenceMilliseconds,
    },
    headers: { 'user-agent': 'coffer' },
  })
  const bulk = bulkSender({ ...options, silenceMilliseconds })
  const forgetIdle = (): void => {
    for (const sockets of Object.values(agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
    bulk.forgetIdle()
  }
  return {
    async duplex(exchange, isWaiting) {
      const { credentials } = options
      if (credentials === undefined) throw new ExchangeError('unreachable', 'nobody is logged in')
      const silence = { milliseconds: silenceMilliseconds, isWaiting, lost: forgetIdle }
      return duplex(agent, exchange, credentials, silence)
    },
    async upgrade(exchange, receiver) {
      const { credentials } = options
      if (credentials === undefined) throw new ExchangeError('unreachable', 'nobody is logged in')
      const silence = { milliseconds: silenceMilliseconds, lost: forgetIdle }
      return upgrade(agent, exchange, credentials, silence, receiver)
    },
    send: (exchange) =>
      isBulk(exchange) ? bulk.send(exchange) : sendOnce(client, exchange, options.credentials),
    forgetIdle,
    close() {
      agent.destroy()
      bulk.close()
    },
  }
}

async function sendOnce(
  client: Got,
  exchange: Exchange,
  credentials: Credentials | undefined,
): Promise<Answer> {
  exchange.signal?.throwIfAborted()
  let carried = await credentials?.headers(exchange)
  let refusals = 0
  const request = client(exchange.url, {
    method: exchange.method as 'GET',
    headers: { ...lengthOf(exchange), ...exchange.headers, ...carried },
    ...bodyOf(exchange),
    ...(exchange.signal === undefined ? {} : { signal: exchange.signal }),
    ...(exchange.deadlineMilliseconds !== undefined && {
      timeout: { request: exchange.deadlineMilliseconds },
    }),
    hooks: {
      afterResponse: [
        async (response, retryWithMergedOptions) => {
          credentials?.heard?.(exchange, response.headers)
          if (response.statusCode !== 401 || credentials === undefined || carried === undefined) {
            return response
          }
          if (++refusals > MOST_REFUSALS) return response
          const answer = { status: 401, headers: response.headers, body: response.rawBody }
          carried = await credentials.renewed(carried, exchange, answer)
          const again = { headers: carried, ...bodyOf(exchange) }
          return retryWithMergedOptions({ ...again, preserveHooks: true })
        },
      ],
    },
  })
  // What an agent is told of this does not reach connections with TLS: each content in pieces would wait for a late ACK.
  request.on('request', (outgoing) => outgoing.setNoDelay(true))
  let oversized = false
  request.on('downloadProgress', ({ transferred }) => {
    if (transferred <= exchange.limit) return
    oversized = true
    request.cancel()
  })
  try {
    const response = await request
    return { status: response.statusCode, headers: response.headers, body: response.rawBody }
  } catch (error) {
    if (oversized) {
      throw new ExchangeError(
        'oversized',
        `${exchange.url.pathname}: more than ${exchange.limit} bytes came`,
      )
    }
    throw exchangeError(error, exchange.url)
  }
}

/** Content is opened anew for every try: a stream cannot be rewound. */
function bodyOf({ content }: Exchange): { body?: Buffer | AsyncGenerator<Buffer> } {
  if (content === undefined) return {}
  return { body: Buffer.isBuffer(content) ? content : pieces(content.open()) }
}

async function* pieces(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* source
}

function lengthOf({ content, method }: Exchange): Record<string, string> {
  if (content !== undefined) {
    return { 'content-length': String(Buffer.isBuffer(content) ? content.length : content.size) }
  }
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
    ? { 'content-length': '0' }
    : {}
}

/** Failures after which the server cannot have seen the request. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EHOSTDOWN',
])
const CONNECTING = new Set(['lookup', 'connect', 'secureConnect'])

function exchangeError(error: unknown, url: URL): Error {
  if (!(error instanceof RequestError)) {
    return error instanceof Error ? error : new Error(String(error))
  }
  const { cause } = error
  if (error.code === 'ERR_ABORTED' || error.name === 'AbortError') {
    return new ExchangeError('aborted', 'given up by the caller', { cause: error })
  }
  // A refusal by the credentials' renewal comes out as got's error around it.
  if (cause instanceof Error && !isSystemError(cause)) return cause
  const code = cause instanceof CertificateChanged ? cause.code : error.code
  if (isUntrusted(code)) return new ExchangeError('untrusted', error.message, { cause: error })
  const connecting = error instanceof TimeoutError && CONNECTING.has(error.event)
  const kind = connecting || NOT_SENT.has(code) ? 'unreachable' : 'lost'
  return new ExchangeError(kind, `${url.host}: ${error.message || code}`, { cause: error })
}

function isSystemError(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && error.name !== 'RemoteError'
}
