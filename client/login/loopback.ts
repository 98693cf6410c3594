import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The redirect of RFC 8252 section 7.3: a server on a free port of this machine, open only while a login waits. */
export interface Loopback {
  readonly redirect_uri: string
  /** The authorization response that carries our `state`; any other request is turned away. */
  readonly response: Promise<CallbackRequest>
  close(): Promise<void>
}

export interface CallbackRequest {
  readonly parameters: URLSearchParams
  /** Shows the outcome in the browser. */
  answer(outcome: { title: string; text: string; status: number }): void
}

const PATH = '/callback'
const BASE = 'http://127.0.0.1'

/** Whichever of them this machine has (RFC 8252 section 7.3). */
const ADDRESSES = ['127.0.0.1', '::1']

export async function openLoopback(state: string, addresses = ADDRESSES): Promise<Loopback> {
  let arrived: (request: CallbackRequest) => void = () => {}
  const response = new Promise<CallbackRequest>((resolve) => {
    arrived = resolve
  })
  const server = createServer((request, reply) => {
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
      arrived({ parameters, answer: (outcome) => show(reply, outcome) })
    }
  })
  await listenOnFirst(server, addresses)
  const { address, family, port } = server.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]` : address
  return {
    redirect_uri: `http://${host}:${port}${PATH}`,
    response,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), 1_000).unref()
      }),
  }
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

function show(
  reply: ServerResponse,
  { status, title, text }: { status: number; title: string; text: string },
): void {
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)} – Coffer</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:20vh auto;padding:0 1rem;color:#1d2733;background:#f6f7f9}
@media(prefers-color-scheme:dark){body{color:#e6eaf0;background:#14181d}}</style>
<h1>${escaped(title)}</h1><p>${escaped(text)}</p></html>`
  reply.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy':
      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  })
  reply.end(page)
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
