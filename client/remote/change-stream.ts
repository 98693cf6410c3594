import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Begun } from '../http/connection.js'
import type { Duplex } from '../http/duplex.js'
import { Declined, ExchangeError, type NoAnswer } from '../http/exchange.js'
import type { Pauses } from '../http/pauses.js'
import { Busy } from '../http/retry.js'
import { RemoteError } from '../remote-error.js'
import { newest, newsOf, positionOf, runOf } from './change-events.js'
import type { RemoteNews } from './remote-files.js'

/** Opens GET /changes, from where it was interrupted. */
export type OpenChanges = (
  headers: Readonly<Record<string, string>>,
  isWaiting: () => boolean,
) => Promise<Duplex>

const FIRST_PAUSE_MILLISECONDS = 200
const LONGEST_PAUSE_MILLISECONDS = 10_000
/** The server sends a comment every 15 seconds. */
const SILENCE_MILLISECONDS = 35_000
/** Events are small; a server that sends more without an end of one is none of ours. */
const EVENT_BYTES = 1 << 20

/** What the stream tells of the server, also when no program asks for anything. */
export interface Reachability {
  begin(): Begun
  reached(exchange: Begun): void
  missed(trouble: string, why: NoAnswer, exchange: Begun): void
}

/** The stream of changes of docs/file-api.md, opened again and again until the signal says enough. */
export async function* changeStream(
  open: OpenChanges,
  signal: AbortSignal,
  server: Reachability,
  pauses: Pauses,
): AsyncGenerator<RemoteNews> {
  let last: string | undefined
  let run: string | undefined
  let pause = FIRST_PAUSE_MILLISECONDS
  while (!signal.aborted) {
    let isConnected = false
    const exchange = server.begin()
    try {
      for await (const event of events(open, last, signal)) {
        last = positionOf(event) ?? last
        const news = newsOf(event)
        if (news === undefined) continue
        if (!isConnected) server.reached(exchange)
        isConnected = true
        pause = FIRST_PAUSE_MILLISECONDS
        if (event.event === 'ready') {
          const before = run
          run = runOf(event.data)
          // It may go on from an earlier state of its disk, and then numbers come again that are known.
          if (before !== undefined && before !== run) yield { kind: 'reset' }
        }
        yield news
        if (event.event === 'ready') last ??= String(newest(event.data))
        if (event.event === 'reset') yield { kind: 'told', newest: newest(event.data) }
      }
    } catch (error) {
      if (!mayPass(error)) throw error
      // A stream that breaks off may have ended for itself; one that cannot be opened tells of the server.
      if (!isConnected && !signal.aborted && isAway(error)) {
        server.missed(error.message, error.kind, exchange)
      }
    }
    if (isConnected) yield { kind: 'lost' }
    const rested = await pauses.rest(pause, signal)
    pause =
      rested === 'over' ? Math.min(pause * 2, LONGEST_PAUSE_MILLISECONDS) : FIRST_PAUSE_MILLISECONDS
  }
}

/** A dead login comes back to life with the next one; a busy server has time later. */
function mayPass(error: unknown): boolean {
  return error instanceof ExchangeError || error instanceof RemoteError || error instanceof Busy
}

/** Whether there was no answer: one that refuses shows that the server is there. */
function isAway(error: unknown): error is ExchangeError {
  return error instanceof ExchangeError && !(error instanceof Declined)
}

async function* events(
  open: OpenChanges,
  last: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<EventSourceMessage> {
  const from: Record<string, string> = last === undefined ? {} : { 'Last-Event-ID': last }
  const stream = await open({ Accept: 'text/event-stream', ...from }, () => false)
  let watchdog = setTimeout(() => stream.destroy(), SILENCE_MILLISECONDS)
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  const ready: EventSourceMessage[] = []
  let isOversized = false
  const parser = createParser({
    maxBufferSize: EVENT_BYTES,
    onEvent: (event) => ready.push(event),
    onError: ({ type }) => {
      isOversized ||= type === 'max-buffer-size-exceeded'
    },
  })
  const decoder = new TextDecoder()
  try {
    stream.end()
    for await (const data of stream.answer) {
      clearTimeout(watchdog)
      watchdog = setTimeout(() => stream.destroy(), SILENCE_MILLISECONDS)
      parser.feed(decoder.decode(data, { stream: true }))
      yield* ready.splice(0)
      if (isOversized) throw new ExchangeError('oversized', 'an event without an end')
    }
  } finally {
    clearTimeout(watchdog)
    signal.removeEventListener('abort', stop)
    stream.destroy()
  }
}
