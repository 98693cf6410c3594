import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:https'
import { attribute } from '../../support/attribute.js'

/** What a server answered. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Every field line, names in lower case. */
  readonly lines: readonly (readonly [string, string])[]
  readonly body: string
  readonly url: URL
}

export type Fields = Readonly<Record<string, string | readonly string[]>>
export type FormLike = Readonly<Record<string, string | readonly string[] | undefined>> | string

export interface Send {
  readonly headers?: Fields
  readonly body?: string | Buffer
  /** The address to connect from, for limits by address: any of 127.0.0.0/8 here. */
  readonly localAddress?: string
}

/** As browsers ask for what people see; programs that take anything may get errors in JSON instead of a page. */
const ACCEPT = 'text/html,application/xhtml+xml,*/*;q=0.8'

/** Sends requests exactly as told, redirects not followed; keeps cookies as one browser would. */
export class Http {
  readonly cookies = new Map<string, string>()
  readonly #ca: string | undefined
  readonly #agent: Agent

  constructor(ca: string | undefined, localAddress?: string) {
    this.#ca = ca
    const from = localAddress === undefined ? {} : { localAddress, family: 4 }
    this.#agent = new Agent({ keepAlive: true, maxSockets: 50, ...from })
  }

  async send(
    method: string,
    to: string | URL,
    { headers, body, localAddress }: Send = {},
  ): Promise<Answer> {
    const url = new URL(to)
    const cookie = [...this.cookies].map((pair) => pair.join('=')).join('; ')
    return new Promise((resolve, reject) => {
      const sent = request(
        url,
        {
          method,
          timeout: 20_000,
          servername: url.hostname,
          ...(this.#ca !== undefined && { ca: this.#ca }),
          ...(localAddress === undefined
            ? { agent: this.#agent }
            : { localAddress, agent: false, family: 4 }),
          headers: {
            accept: ACCEPT,
            ...(cookie !== '' && { cookie }),
            ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
            ...(headers as Record<string, string | string[]>),
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.once('error', reject)
          response.once('end', () => {
            for (const line of response.headers['set-cookie'] ?? []) this.#keep(line)
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              lines: linesOf(response.rawHeaders),
              body: Buffer.concat(chunks).toString(),
              url,
            })
          })
        },
      )
      sent.once('timeout', () =>
        sent.destroy(new Error(`${method} ${url.pathname}: no answer in 20 s`)),
      )
      sent.once('error', reject)
      sent.end(body)
    })
  }

  get(url: string | URL, headers: Fields = {}): Promise<Answer> {
    return this.send('GET', url, { headers })
  }

  post(
    url: string | URL,
    form: FormLike,
    headers: Fields = {},
    more: Omit<Send, 'headers' | 'body'> = {},
  ) {
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    return this.send('POST', url, { headers: { ...type, ...headers }, body: encode(form), ...more })
  }

  /** Posts as a browser posts a page's form. */
  submit({ action, fields }: Form): Promise<Answer> {
    return this.post(action, fields.toString(), { origin: action.origin })
  }

  /** Follows redirects within the server; stops at a page, or at an address elsewhere. */
  async follow(first: Answer): Promise<Answer> {
    let answer = first
    for (let step = 0; step < 10; step++) {
      const to = locationOf(answer)
      if (to === undefined || to.origin !== answer.url.origin) return answer
      answer = await this.get(to)
    }
    throw new Error(`more than ten redirects from ${first.url}`)
  }

  #keep(line: string): void {
    const [pair = ''] = line.split(';')
    const at = pair.indexOf('=')
    const name = pair.slice(0, at)
    if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) this.cookies.delete(name)
    else this.cookies.set(name, pair.slice(at + 1))
  }
}

function linesOf(raw: readonly string[]): (readonly [string, string])[] {
  return Array.from({ length: raw.length / 2 }, (_, n) => [
    (raw[2 * n] ?? '').toLowerCase(),
    raw[2 * n + 1] ?? '',
  ])
}

/** Where a redirect leads. */
export function locationOf({ headers, url }: Answer): URL | undefined {
  return headers.location === undefined ? undefined : new URL(headers.location, url)
}

/** application/x-www-form-urlencoded; undefined leaves a field out, a list repeats it. */
export function encode(form: FormLike): string {
  if (typeof form === 'string') return form
  const encoded = new URLSearchParams()
  for (const [name, values] of Object.entries(form)) {
    for (const value of values === undefined ? [] : [values].flat()) encoded.append(name, value)
  }
  return encoded.toString()
}

export function json(answer: Answer): Record<string, unknown> {
  try {
    return JSON.parse(answer.body)
  } catch {
    throw new Error(
      `${answer.url.pathname} answered ${answer.status} without JSON: ${answer.body.slice(0, 300)}`,
    )
  }
}

export interface Form {
  readonly action: URL
  readonly fields: URLSearchParams
  /** Names of its checkboxes' values, ticked or not. */
  readonly boxes: readonly (readonly [string, string])[]
  readonly hasPassword: boolean
  /** Name of its text field, if it has one. */
  readonly text: string | undefined
}

/** The forms of a page, with the values their inputs have before anyone types. */
export function formsOf(page: Answer): readonly Form[] {
  return [...page.body.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(
    ([, opening = '', inner = '']) => {
      const inputs = [...inner.matchAll(/<input\b([^>]*)>/g)].map(([, input = '']) => ({
        input,
        name: attribute(input, 'name'),
        value: attribute(input, 'value') ?? '',
        type: attribute(input, 'type') ?? 'text',
      }))
      const fields = new URLSearchParams()
      for (const { input, name, value, type } of inputs) {
        const chosen = !['checkbox', 'radio'].includes(type) || /\bchecked\b/.test(input)
        if (name !== undefined && chosen && type !== 'submit') fields.append(name, value)
      }
      return {
        action: new URL(attribute(opening, 'action') ?? page.url.href, page.url),
        fields,
        boxes: inputs
          .filter(({ type, name }) => type === 'checkbox' && name !== undefined)
          .map(({ name = '', value }) => [name, value] as const),
        hasPassword: inputs.some(({ type }) => type === 'password'),
        text: inputs.find(({ type }) => ['text', 'email', 'search'].includes(type))?.name,
      }
    },
  )
}
