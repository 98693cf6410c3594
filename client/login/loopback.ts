import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** The redirect of RFC 8252 section 7.3: a server on a free port of this machine, open only while a login waits. */
export interface Loopback {
  readonly redirect_uri: string
  /** The authorization response that carries our `state`; any other request is turned away. */
  readonly response: Promise<CallbackRequest>
  /** Once the outcome, if there is one, is on the screen. */
  close(): Promise<void>
}

interface Outcome {
  readonly title: string
  readonly text: string
  readonly status: number
}

export interface CallbackRequest {
  readonly parameters: URLSearchParams
  /** Shows the outcome in the browser. */
  answer(outcome: Outcome): void
}

const PATH = '/callback'
const STYLE_PATH = '/style.css'
const BASE = 'http://127.0.0.1'

/** Whichever of them this machine has (RFC 8252 section 7.3). */
const ADDRESSES = ['127.0.0.1', '::1']

/**
 * How long a browser may take from the answer to the screen. Until then it still shows the consent page: a second click on
 * "Allow" takes back the first, and brings it here once more.
 */
const SHOWN_WITHIN_MILLISECONDS = 1_000

export async function openLoopback(
  state: string,
  { addresses = ADDRESSES, shownWithin = SHOWN_WITHIN_MILLISECONDS } = {},
): Promise<Loopback> {
  let arrived: (request: CallbackRequest) => void = () => {}
  const response = new Promise<CallbackRequest>((resolve) => {
    arrived = resolve
  })
  let isAnswered = false
  let answer: (outcome: Outcome) => void = () => {}
  const outcome = new Promise<Outcome>((resolve) => {
    answer = (given) => {
      isAnswered = true
      resolve(given)
    }
  })
  const shown = new AbortController()
  const server = createServer((request, reply) => {
    if (request.url === STYLE_PATH) {
      // Browsers ask for it once they show the page.
      if (isAnswered) shown.abort()
      send(reply, { status: 200, type: 'text/css', content: STYLE })
      return
    }
    const parameters = authorizationResponse(request)
    if (parameters === undefined) {
      show(reply, { status: 404, title: 'Not here', text: 'This address only ends a login.' })
    } else if (parameters.get('state') !== state) {
      show(reply, {
        status: 400,
        title: 'Not this login',
        text: 'This answer belongs to another login. Start again in the terminal.',
      })
    } else {
      arrived({ parameters, answer })
      void outcome.then((known) => show(reply, known))
    }
  })
  await listenOnFirst(server, addresses)
  const { address, family, port } = server.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]` : address
  return {
    redirect_uri: `http://${host}:${port}${PATH}`,
    response,
    async close() {
      if (isAnswered) {
        await delay(shownWithin, undefined, { signal: shown.signal }).catch(() => {})
      }
      await closed(server)
    },
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), 1_000).unref()
  })
}

/** @throws what stood in the way of the last address */
async function listenOnFirst(server: Server, [address, ...others]: string[]): Promise<void> {
  try {
    server.listen(0, address)
    await once(server, 'listening')
  } catch (error) {
    if (others.length === 0) throw error
    await listenOnFirst(server, others)
  }
}

/** One value for each name, as RFC 6749 section 3.1 demands; anything else is no authorization response. */
function authorizationResponse(request: IncomingMessage): URLSearchParams | undefined {
  const { method, url = '' } = request
  // Any page that is open in the browser may ask for what is no address.
  if (method !== 'GET' || !URL.canParse(url, BASE)) return undefined
  const { pathname, searchParams } = new URL(url, BASE)
  if (pathname !== PATH) return undefined
  const names = [...searchParams.keys()]
  return new Set(names).size === names.length ? searchParams : undefined
}

const STYLE = `body{font:1.1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:20vh auto;padding:0 1rem;color:#1d2733;background:#f6f7f9}
@media(prefers-color-scheme:dark){body{color:#e6eaf0;background:#14181d}}`

function show(reply: ServerResponse, { status, title, text }: Outcome): void {
  const content = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)} – Coffer</title><link rel="stylesheet" href="${STYLE_PATH}">
<h1>${escaped(title)}</h1><p>${escaped(text)}</p></html>`
  send(reply, { status, type: 'text/html', content })
}

function send(
  reply: ServerResponse,
  { status, type, content }: { status: number; type: string; content: string },
): void {
  reply.writeHead(status, {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Security-Policy': "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  })
  reply.end(content)
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
