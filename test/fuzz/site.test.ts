import { Agent, request } from 'node:https'
import { expect } from 'chai'
import { type Running, startSite } from '../server/running.js'

const REQUESTS = 10_000
const PARALLEL = 16

/** xorshift32: the same requests in every run, so that a failure can be found again. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const METHODS = ['GET', 'POST', 'POST', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'MOVE']
const PATHS = [
  '/',
  '/login',
  '/account',
  '/account/revoke',
  '/account/revoke-all',
  '/account/sign-out-others',
  '/account/password',
  '/coffer.svg',
  '/nothing',
  // the file API as the whole server has it; its own words are in files.test.ts
  '/files',
  '/inodes',
  '/totals',
  '/batch',
  '/changes',
  '/uploads',
]
const NAMES = [
  'return_to',
  'username',
  'password',
  'csrf_token',
  'grant',
  'current_password',
  'new_password',
  'repeated_password',
  'reauthenticate',
  'login_hint',
  'done',
  '__proto__',
  'toString',
  '',
]
const VALUES = [
  '',
  'a',
  '%',
  '%zz',
  '%00',
  '%ff%fe',
  '..%2f..',
  '//evil.example',
  '%5cevil',
  '"><script>',
  'x'.repeat(40_000),
  '[]=1',
  'a[b]=c',
  '__proto__',
  '%E2%80%AE',
  '%F0%9F%98%80',
  '1e999',
]
const HEADERS: readonly (readonly [name: string, values: readonly string[]])[] = [
  [
    'Content-Type',
    [
      'application/x-www-form-urlencoded',
      'application/x-www-form-urlencoded; charset=utf-16',
      'application/x-www-form-urlencoded;charset="',
      'application/json',
      'multipart/form-data',
      ';;;',
    ],
  ],
  ['Content-Encoding', ['gzip', 'br', 'deflate', 'x']],
  [
    'Cookie',
    ['__Host-coffer=abc', '__Host-coffer=%; __Host-coffer.sig=%', '=', ';;;;', 'x'.repeat(4000)],
  ],
  ['Accept', ['text/html', '*/*', 'garbage', '', 'text/html;q=x', 'application/json']],
  ['Origin', ['null', 'https://evil.example', '', 'x']],
  ['Sec-Fetch-Site', ['same-origin', 'cross-site', 'none', '']],
  ['Host', ['localhost', '', 'a b', '[::1', 'x'.repeat(300)]],
  ['X-Forwarded-For', ['192.0.2.1', 'x', ',,,', '::::']],
]

describe('the pages under malformed requests', () => {
  let site: Running
  let agent: Agent
  let access_token: string
  before(async () => {
    site = await startSite({ environment: { COFFER_LOGIN_FAILURES: '3' } })
    access_token = (await site.tokens()).access_token
    agent = new Agent({ ca: site.ca, keepAlive: true, maxSockets: PARALLEL, timeout: 20_000 })
  })
  after(async () => {
    agent?.destroy()
    await site?.remove()
  })

  it(`never fail and never hang (${REQUESTS} requests)`, async () => {
    const below = randomNumbers(20_261_123)
    const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T
    const pairs = () =>
      Array.from(
        { length: below(6) },
        () => `${pick(NAMES)}${pick(['=', '', '=='])}${pick(VALUES)}`,
      ).join('&')
    const failures: string[] = []
    const statuses = new Set<number>()
    const { port } = new URL(site.issuer)

    function one(): Promise<void> {
      const method = pick(METHODS)
      const path =
        pick(PATHS) + pick(['', '', `?${pairs()}`.slice(0, 8000), `/${pick(VALUES)}`.slice(0, 500)])
      const body =
        method === 'GET' || method === 'HEAD' ? '' : pick([pairs(), pick(VALUES), '\u0000\u00ff'])
      const headers: Record<string, string | number> = { 'Content-Length': Buffer.byteLength(body) }
      for (const [name, values] of HEADERS) if (below(3) === 0) headers[name] = pick(values)
      if (below(2) === 0) headers.Authorization = `Bearer ${access_token}`
      const what = `${method} ${path.slice(0, 200)} ${JSON.stringify(headers).slice(0, 500)}`
      return new Promise((resolve) => {
        const options = { method, headers, agent, servername: 'localhost', timeout: 20_000 }
        const sent = request({ ...options, host: '127.0.0.1', port, path }, (response) => {
          const status = response.statusCode ?? 0
          statuses.add(status)
          if (status >= 500) failures.push(`${status}: ${what}`)
          // a stream of changes has no end of its own
          if (/event-stream/.test(String(response.headers['content-type']))) response.destroy()
          else response.resume()
          response.once('close', resolve)
        })
        sent.once('timeout', () => {
          failures.push(`hangs: ${what}`)
          sent.destroy()
        })
        // The server may close a connection whose request it has refused before all of it had come.
        sent.once('error', () => resolve())
        sent.end(body)
      })
    }

    let left = REQUESTS
    await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        while (left-- > 0) await one()
      }),
    )
    expect(failures).to.deep.equal([])
    expect([...statuses]).to.include.members([200, 303, 400, 403, 404, 413, 415, 421])
    expect((await site.browser().get('/login')).status).to.equal(200)
  }).timeout(180_000)
})
