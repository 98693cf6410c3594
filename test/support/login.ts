import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:https'
import { attribute } from './attribute.js'

export interface Page {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
  readonly url: URL
}

export interface Form {
  readonly action: URL
  readonly fields: URLSearchParams
}

/** A browser without JavaScript: one cookie jar, forms filled in by the test, redirects followed by hand. */
export class Visitor {
  readonly #ca: string
  readonly #cookies = new Map<string, string>()

  constructor(ca: string) {
    this.#ca = ca
  }

  get(url: URL | string): Promise<Page> {
    return this.#send('GET', new URL(url))
  }

  /** Posts a form as a browser does, Origin included. */
  post(url: URL | string, fields: URLSearchParams): Promise<Page> {
    return this.#send('POST', new URL(url), fields.toString())
  }

  /** Follows redirects until a page, or until one leads to an address that begins with `stop`. */
  async follow(first: Page, stop: string): Promise<Page | URL> {
    let page = first
    for (let step = 0; step < 10; step++) {
      const { location } = page.headers
      if (typeof location !== 'string') return page
      const next = new URL(location, page.url)
      if (next.href.startsWith(stop)) return next
      page = await this.get(next)
    }
    throw new Error(`redirected more than ten times from ${first.url}`)
  }

  #send(method: 'GET' | 'POST', url: URL, body?: string): Promise<Page> {
    const headers: Record<string, string> = { accept: 'text/html' }
    if (this.#cookies.size > 0)
      headers.cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ')
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded'
      headers['content-length'] = String(Buffer.byteLength(body))
      headers.origin = url.origin
    }
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, ca: this.#ca, timeout: 30_000 }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          for (const cookie of response.headers['set-cookie'] ?? []) this.#keep(cookie)
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
            url,
          })
        })
      })
      sent.once('timeout', () => sent.destroy(new Error(`${method} ${url.pathname} took too long`)))
      sent.once('error', reject)
      sent.end(body)
    })
  }

  #keep(cookie: string): void {
    const [pair = ''] = cookie.split(';')
    const [name = '', ...value] = pair.split('=')
    this.#cookies.set(name, value.join('='))
  }
}

/** The page's form whose action contains `marker`, with the values its inputs have before anyone types. */
export function form(page: Page, marker = ''): Form {
  for (const [, opening = '', inner = ''] of page.body.matchAll(
    /<form\b([^>]*)>([\s\S]*?)<\/form>/g,
  )) {
    const action = new URL(attribute(opening, 'action') ?? page.url.href, page.url)
    if (!action.href.includes(marker)) continue
    const fields = new URLSearchParams()
    for (const [, input = ''] of inner.matchAll(/<input\b([^>]*)>/g)) {
      const name = attribute(input, 'name')
      if (name === undefined) continue
      const type = attribute(input, 'type') ?? 'text'
      const chosen = !['checkbox', 'radio'].includes(type) || /\bchecked\b/.test(input)
      if (chosen && type !== 'submit') fields.append(name, attribute(input, 'value') ?? '')
    }
    return { action, fields }
  }
  throw new Error(
    `no form for "${marker}" at ${page.url}: ${page.status}\n${page.body.slice(0, 2000)}`,
  )
}

export interface Tokens {
  readonly access_token: string
  readonly refresh_token?: string
  readonly expires_in: number
  readonly scope: string
}

export interface LoginTo {
  readonly issuer: string
  readonly ca: string
  readonly username: string
  readonly password: string
}

/** What a test may take that logs in more than once: passwords are hashed at the lowest priority, after all else on the machine. */
export const SIGNING_IN_MILLISECONDS = 120_000

const REDIRECT_URI = 'http://127.0.0.1:49152/callback'
const EVERYTHING = 'openid profile email offline_access file.read file.write'

/** Walks through the login and the consent page; answers the address that the client is sent back to. */
async function allow(
  visitor: Visitor,
  authorize: URL,
  { username, password }: LoginTo,
  redirect_uri: string,
): Promise<URL> {
  const first = await visitor.follow(await visitor.get(authorize), redirect_uri)
  if (first instanceof URL) throw new Error(`sent back before the login: ${first}`)
  const credentials = form(first, '/login')
  credentials.fields.set('username', username)
  credentials.fields.set('password', password)
  const posted = await visitor.post(credentials.action, credentials.fields)
  const second = await visitor.follow(posted, redirect_uri)
  if (second instanceof URL) return second
  const consent = form(second)
  consent.fields.set('decision', 'allow')
  const last = await visitor.follow(
    await visitor.post(consent.action, consent.fields),
    redirect_uri,
  )
  if (last instanceof URL) return last
  throw new Error(`no redirect after the consent: ${last.status} ${last.body}`)
}

/** What a person does with the address that `coffer login` prints, without a browser. */
export async function approve(url: string, server: LoginTo): Promise<void> {
  const authorize = new URL(url)
  const redirect_uri = authorize.searchParams.get('redirect_uri')
  if (redirect_uri === null) throw new Error(`no redirect_uri in ${url}`)
  const back = await allow(new Visitor(server.ca), authorize, server, redirect_uri)
  const answer = await fetch(back)
  const page = await answer.text()
  if (!answer.ok) throw new Error(`${back.pathname}: ${answer.status} ${page}`)
  await showPage(back)
}

/** A browser that shows the page of the outcome asks for its style sheet: the login need not wait any longer. */
export async function showPage(at: URL): Promise<void> {
  await (await fetch(new URL('/style.css', at))).text()
}

/** Logs in as the client `coffer` would: login form, consent form, code, tokens (RFC 6749 section 4.1, RFC 7636). */
export async function login(server: LoginTo, scope = EVERYTHING): Promise<Tokens> {
  const visitor = new Visitor(server.ca)
  const code_verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const authorize = new URL('/authorize', server.issuer)
  authorize.search = new URLSearchParams({
    response_type: 'code',
    client_id: 'coffer',
    redirect_uri: REDIRECT_URI,
    scope,
    state,
    code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()

  const next = await allow(visitor, authorize, server, REDIRECT_URI)
  const code = next.searchParams.get('code')
  if (code === null || next.searchParams.get('state') !== state)
    throw new Error(`the authorization answer is wrong: ${next}`)

  const answer = await visitor.post(
    new URL('/token', server.issuer),
    new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'coffer',
      redirect_uri: REDIRECT_URI,
      code,
      code_verifier,
    }),
  )
  if (answer.status !== 200) throw new Error(`POST /token: ${answer.status} ${answer.body}`)
  return JSON.parse(answer.body) as Tokens
}
