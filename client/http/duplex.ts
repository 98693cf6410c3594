import type { IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import type { Credentials } from './api.js'
import { Declined, type Exchange, ExchangeError } from './exchange.js'
import { hiddenServer, hidesServer } from './hidden-server.js'
import { isUntrusted } from './trust.js'

/** A request whose content is still being sent while its answer comes. */
export interface Duplex {
  write(data: Buffer): void
  /** No more content; the answer ends when the server has done all. */
  end(): void
  /** Gives up what is under way. */
  destroy(): void
  /** The answer's content. @throws ExchangeError: `unreachable` means that nothing was carried out */
  readonly answer: AsyncIterable<Buffer>
}

/** Nothing moving for so long, a connection is dead. */
export interface Silence {
  readonly milliseconds: number
  /** Other connections may be dead as well. */
  readonly lost: () => void
}

/** Silence counts only while `isWaiting`. */
export async function duplex(
  agent: Agent,
  exchange: Pick<Exchange, 'method' | 'url' | 'headers'>,
  credentials: Credentials,
  silence: Silence & { readonly isWaiting: () => boolean },
): Promise<Duplex> {
  const asked: Exchange = { ...exchange, limit: 0 }
  const carried = await credentials.headers(asked)
  const { method, url } = exchange
  const outgoing = request(url, { method, agent, headers: { ...exchange.headers, ...carried } })
  outgoing.setNoDelay(true)
  const silent = () => {
    silence.lost()
    outgoing.destroy(new Error('the connection fell silent'))
  }
  outgoing.setTimeout(silence.milliseconds, () => {
    if (silence.isWaiting()) silent()
  })
  const incoming = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve)
    outgoing.on('error', reject)
  })
  // Once there is something to answer, fields that trickle without end are silence, too.
  let head: 'none' | 'awaited' | 'over' = 'none'
  let late: NodeJS.Timeout | undefined
  const sent = () => {
    if (head !== 'none') return
    head = 'awaited'
    late = setTimeout(silent, silence.milliseconds)
  }
  const over = () => {
    head = 'over'
    clearTimeout(late)
  }
  outgoing.once('response', over)
  outgoing.once('close', over)
  incoming.catch(() => {})
  // Content goes to the connection piece by piece: an answer can only come once the headers are out.
  outgoing.flushHeaders()

  async function* answer(): AsyncGenerator<Buffer> {
    let response: IncomingMessage
    try {
      response = await incoming
    } catch (cause) {
      const { code = '', message } = cause as NodeJS.ErrnoException
      if (isUntrusted(code)) throw new ExchangeError('untrusted', message, { cause })
      throw new ExchangeError('lost', `${url.host}: no answer`, { cause })
    }
    credentials.heard?.(asked, response.headers)
    const { statusCode = 0, headers } = response
    const isHidden = hidesServer(statusCode, headers)
    if (statusCode !== 200 || isHidden) {
      response.resume()
      outgoing.destroy()
      if (isHidden) throw hiddenServer(url.host, statusCode)
      if (statusCode === 401) {
        const refused = { status: 401, headers, body: Buffer.alloc(0) }
        await credentials.renewed(carried, asked, refused)
      }
      throw new Declined(`${url.pathname} answered ${statusCode}`, statusCode)
    }
    try {
      for await (const data of response) yield data as Buffer
    } catch (cause) {
      throw new ExchangeError('lost', `${url.host}: the connection broke`, { cause })
    }
  }

  return {
    write: (data) => void outgoing.write(data, sent),
    end: () => void outgoing.end(),
    destroy: () => void outgoing.destroy(),
    answer: answer(),
  }
}
