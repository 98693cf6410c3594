import type { Credentials } from './api.js'
import { BulkConnection } from './bulk-connection.js'
import { BulkTurns } from './bulk-turns.js'
import { type Answer, type Exchange, ExchangeError, MOST_REFUSALS, type Send } from './exchange.js'
import { LentBuffers } from './lent-buffers.js'
import { connector, isUntrusted, type Trust } from './trust.js'
import { TurnShare } from './turn-share.js'
import type { Uploading } from './uploading.js'

/** From here on the bytes cost more than the request. */
const BULK_BYTES = 256 << 10
/** Room that is asked for besides the bytes of a range. */
const MOST_RANGE_BYTES = 8 << 20
const READ_BYTES = 64 << 10

export interface BulkOptions {
  readonly trust: Trust
  readonly credentials?: Credentials
  readonly silenceMilliseconds: number
  readonly uploading?: Uploading
}

export interface BulkSender {
  readonly send: Send
  forgetIdle(): void
  close(): void
}

/** Whether an exchange carries so many bytes, either way, that what is done for each of them counts. */
export function isBulk({ method, content, limit, headers }: Exchange): boolean {
  if (content !== undefined) {
    return (Buffer.isBuffer(content) ? content.length : content.size) >= BULK_BYTES
  }
  const isRange = method === 'GET' && headers?.Range !== undefined
  return isRange && limit >= BULK_BYTES && limit <= MOST_RANGE_BYTES
}

/** Long exchanges over connections of their own, one try each, as `client/http/api.ts` does the others. */
export function bulkSender(options: BulkOptions): BulkSender {
  const { trust, credentials, silenceMilliseconds, uploading = { bytes: 0 } } = options
  const buffers = new LentBuffers()
  const idle: BulkConnection[] = []
  const busy = new Set<BulkConnection>()
  const turns = new BulkTurns()
  const share = new TurnShare()
  let isClosed = false
  let connect: ReturnType<typeof connector> | undefined

  async function opened(url: URL): Promise<BulkConnection> {
    connect ??= connector(trust)
    let connection: BulkConnection | undefined
    try {
      const socket = await connect(url, {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (bytes, buffer) => {
          connection?.received(Buffer.from(buffer.buffer, buffer.byteOffset, bytes))
          return share.take(bytes, () => connection?.goOn())
        },
      })
      const { origin } = url
      connection = new BulkConnection(origin, socket, buffers, silenceMilliseconds, uploading)
      return connection
    } catch (cause) {
      const { code = '', message } = cause as NodeJS.ErrnoException
      throw new ExchangeError(isUntrusted(code) ? 'untrusted' : 'unreachable', message, { cause })
    }
  }

  async function once(exchange: Exchange): Promise<Answer> {
    // What can be given up is read ahead.
    const whose = exchange.signal === undefined ? 'program' : 'ahead'
    await turns.take(whose)
    try {
      exchange.signal?.throwIfAborted()
      const connection = openOne(idle, exchange.url) ?? (await opened(exchange.url))
      busy.add(connection)
      try {
        exchange.signal?.throwIfAborted()
        return await connection.send(exchange)
      } finally {
        busy.delete(connection)
        if (isClosed) connection.close()
        else if (connection.isOpen) idle.push(connection)
      }
    } finally {
      turns.give(whose)
    }
  }

  return {
    async send(exchange) {
      let carried = await credentials?.headers(exchange)
      for (let refusals = 0; ; refusals++) {
        const headers = { 'User-Agent': 'coffer', ...exchange.headers, ...carried }
        const answer = await once({ ...exchange, headers })
        credentials?.heard?.(exchange, answer.headers)
        if (answer.status !== 401 || credentials === undefined || carried === undefined)
          return answer
        if (refusals === MOST_REFUSALS) return answer
        carried = await credentials.renewed(carried, exchange, answer)
      }
    },
    forgetIdle() {
      for (const connection of idle.splice(0)) connection.close()
    },
    close() {
      isClosed = true
      for (const connection of [...idle.splice(0), ...busy]) connection.close()
    },
  }
}

function openOne(idle: BulkConnection[], { origin }: URL): BulkConnection | undefined {
  for (let at = idle.length - 1; at >= 0; at--) {
    const [connection] = idle[at]?.origin === origin ? idle.splice(at, 1) : []
    if (connection?.isOpen === true) return connection
  }
  return undefined
}
