import { pipeline } from 'node:stream/promises'
import { FileError } from '../errors.js'
import { EVENT_STREAM, encodeEvent, encodeHeartbeat, encodeRetry } from '../http/event-stream.js'
import { field } from '../http/field.js'
import { Refusal } from '../http/refusal.js'
import type { LockNews, Mailbox } from '../locks/mailbox.js'
import type { Change } from '../storage/changes.js'
import type { WireChange, WireChangesReady, WireChangesStart } from '../wire/changes.js'
import type { WireLockNews } from '../wire/locks.js'
import type { Exchange } from './exchange/exchange.js'

const RETRY_MILLISECONDS = 1000
/** Changes taken from the log at a time: what a slow reader costs. */
const PAGE = 500
const MAX_STREAMS_PER_USER = 100
/** Many small changes at once become one write. */
const GATHER_MILLISECONDS = 5

/** GET /changes: the stream of changes as server-sent events, from where the client was (Last-Event-ID) or from now on. */
export async function changes(exchange: Exchange): Promise<void> {
  const { request, response, tree, openStreams, locks, origin } = exchange
  const count = openStreams.get(tree.owner) ?? 0
  if (count >= MAX_STREAMS_PER_USER) {
    throw new Refusal(429, `close one of the ${count} streams of changes that are open`)
  }
  const start = parseStart(exchange) ?? (await tree.changes.newest())
  // a proxy must not hold events back
  const fields = { 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' }
  if (request.method === 'HEAD') {
    response.writeHead(200, { 'Content-Type': EVENT_STREAM, ...fields })
    response.end()
    return
  }
  openStreams.set(tree.owner, count + 1)
  const { connection } = origin
  const mail = connection === undefined ? undefined : locks.listen({ user: tree.owner, connection })
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.setHeader('Content-Type', EVENT_STREAM)
  response.writeHead(200, fields)
  try {
    mail?.put({ kind: 'told', newest: await tree.changes.newest() })
    await pipeline(events(exchange, start, mail, gone.signal), response)
  } finally {
    mail?.close()
    gone.abort()
    const left = (openStreams.get(tree.owner) ?? 1) - 1
    if (left > 0) openStreams.set(tree.owner, left)
    else openStreams.delete(tree.owner)
  }
}

async function* events(
  { tree, query, origin, locks, isLive, limits }: Exchange,
  start: number,
  mail: Mailbox | undefined,
  gone: AbortSignal,
): AsyncGenerator<string> {
  const own = query.has('others') ? origin.connection : undefined
  let seq = start
  const passed = (upTo: number) => {
    seq = upTo
  }
  // Whoever makes many changes is not told of them, and nothing is to be done for each.
  const passing = own === undefined ? undefined : { connection: own, passed }
  let checked = performance.now()
  let news: LockNews[] = []
  const ready: WireChangesReady = { newest: seq, run: locks.run }
  yield encodeRetry(RETRY_MILLISECONDS) + encodeEvent('ready', seq, ready)
  while (!gone.aborted) {
    // Taken before the changes are read: what happened before it is told before it.
    news.push(...(mail?.take() ?? []))
    const page = await tree.changes.after(seq, PAGE)
    if (page.kind === 'expired') {
      seq = page.newest
      const reset: WireChangesStart = { newest: seq }
      yield encodeEvent('reset', seq, reset)
    } else if (page.changes.length > 0) {
      seq = page.changes.at(-1)?.seq ?? seq
      // who was revoked meanwhile is told nothing more
      if (!(await isLive())) return
      const seen = page.changes.filter(({ origin }) => origin === undefined || origin !== own)
      const text = seen.map((change) => encodeEvent('change', change.seq, wireChange(change)))
      if (text.length > 0) yield text.join('')
    } else if (news.length > 0) {
      if (!(await isLive())) return
      yield news.map((one) => encodeEvent(one.kind, seq, wireNews(one))).join('')
      news = []
    } else {
      const change = (signal: AbortSignal) => tree.changes.wait(seq, signal, passing)
      await changeOrTimeout(change, mail, gone, limits.heartbeatMilliseconds)
    }
    if (performance.now() - checked >= limits.heartbeatMilliseconds) {
      // a token that was revoked or has expired must not go on reading
      if (!(await isLive())) return
      checked = performance.now()
      yield encodeHeartbeat(seq)
    }
  }
}

function hasCome(mail: Mailbox | undefined): boolean {
  return mail !== undefined && !mail.isEmpty
}

/** Waits for a change, for news about locks, for so long, or for the client to go away. */
async function changeOrTimeout(
  change: (signal: AbortSignal) => Promise<void>,
  mail: Mailbox | undefined,
  gone: AbortSignal,
  milliseconds: number,
): Promise<void> {
  if (hasCome(mail)) return
  const enough = new AbortController()
  const stop = () => enough.abort()
  if (mail !== undefined) mail.wake = stop
  const timer = setTimeout(stop, milliseconds)
  gone.addEventListener('abort', stop)
  try {
    if (gone.aborted) return
    await change(enough.signal)
    if (!hasCome(mail)) {
      await new Promise((resolve) => setTimeout(resolve, GATHER_MILLISECONDS))
    }
  } catch (error) {
    if (!enough.signal.aborted) throw error
  } finally {
    clearTimeout(timer)
    gone.removeEventListener('abort', stop)
  }
}

/** Last-Event-ID wins: it is what an EventSource sends when it comes again, to the same address. */
function parseStart({ request, query }: Exchange): number | undefined {
  const id = field(request.headers, 'Last-Event-ID') || query.get('since')
  if (id === undefined) return undefined
  if (!/^\d{1,16}$/.test(id)) {
    throw new FileError('EINVAL', 'Last-Event-ID and ?since must be the number of a change')
  }
  return Number(id)
}

function wireNews(news: LockNews): WireLockNews {
  switch (news.kind) {
    case 'lock':
      return { request: news.request }
    case 'recall':
      return { ino: news.ino }
    case 'told':
      return { newest: news.newest }
  }
}

/** The same shape; names are plain text on the wire. */
function wireChange(change: Change): WireChange {
  return change
}
