import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import supertest from 'supertest'
import { atWorkbench, type CommandLine, type Workbench } from '../../server/commands/workbench.js'
import { type Config, parseConfig, type Sources } from '../../server/config.js'
import { openLog } from '../../server/log.js'
import { type RunningServer, serve } from '../../server/serve.js'
import '../../server/tls/authority.js' // loaded when needed, a package of it makes globals: no leak of a test
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { login, type Tokens } from '../support/login.js'

export const PASSWORD = 'correct horse battery 9'

/** The whole server on real TLS sockets, in this process, so that a test can hold its clock. */
export interface Running extends RunningServer {
  readonly ca: string
  readonly data: string
  readonly printed: readonly string[]
  /** A browser of somebody's own, with its cookies. */
  browser(): ReturnType<typeof supertest.agent>
  /** What `coffer login` gets. */
  tokens(username?: string, password?: string): Promise<Tokens>
  remove(): Promise<void>
}

export interface StartOptions {
  readonly data?: string
  readonly environment?: Record<string, string>
  readonly flags?: Record<string, unknown>
  readonly clock?: () => Date
  /** What the test trusts, when that is not the local authority of the data directory. */
  readonly ca?: string
}

export async function startSite(options: StartOptions = {}): Promise<Running> {
  const data = options.data ?? join(await temporaryDirectory('site'), 'data')
  const printed: string[] = []
  const server = await serve(configuration(data, options), {
    clock: options.clock ?? (() => new Date()),
    log: openLog('silent'),
    machine: 'box',
    uid: process.getuid?.(),
    print: (line) => printed.push(line),
  }).catch(async (error) => {
    if (options.data === undefined) await removeDirectory(join(data, '..'))
    throw error
  })
  const { issuer } = server
  const ca = options.ca ?? readFileSync(join(data, 'tls', 'ca.pem'), 'utf8')
  return {
    ...server,
    ca,
    data,
    printed,
    browser: () => supertest.agent(issuer, { ca }).set('Accept', 'text/html'),
    tokens: (username = 'admin', password = PASSWORD) => login({ issuer, ca, username, password }),
    async remove() {
      await server.stop()
      if (options.data === undefined) await removeDirectory(join(data, '..'))
    },
  }
}

/** What a command does beside a running server. */
export function beside(
  { data }: Pick<Running, 'data'>,
  work: (bench: Workbench) => Promise<void>,
): Promise<void> {
  const line: CommandLine = {
    config: () => configuration(data),
    clock: () => new Date(),
    uid: undefined,
    readInput: async () => '',
    print: () => {},
    fail: () => {},
  }
  return atWorkbench(line, work)
}

export function configuration(data: string, options: StartOptions = {}): Config {
  return parseConfig(sources(data, options))
}

export function sources(data: string, { environment, flags }: StartOptions = {}): Sources {
  return {
    flags: flags ?? {},
    environment: {
      COFFER_DATA: data,
      COFFER_HOST: '127.0.0.1',
      COFFER_PORT: '0',
      COFFER_ADMIN_PASSWORD: PASSWORD,
      COFFER_SHUTDOWN_GRACE: '5',
      ...environment,
    },
    home: data,
    readFile: (path) => readFileSync(path, 'utf8'),
  }
}

/** The value of a hidden field. */
export function field(html: string, name: string): string {
  const value = new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1]
  if (value === undefined) throw new Error(`no field ${name} in ${html}`)
  return value
}

/** Signs a browser in; answers the response to the form. */
export async function signIn(
  browser: ReturnType<Running['browser']>,
  fields: Record<string, string> = {},
  headers: Record<string, string> = {},
) {
  const page = await browser.get('/login')
  return browser
    .post('/login')
    .set(headers)
    .type('form')
    .send({
      csrf_token: field(page.text, 'csrf_token'),
      return_to: '/account',
      username: 'admin',
      password: PASSWORD,
      ...fields,
    })
}

/** An authorization request of the built-in client. */
export function authorizePath(changes: Record<string, string> = {}): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'coffer',
    redirect_uri: 'http://127.0.0.1:49152/callback',
    scope: 'file.read offline_access',
    state: randomBytes(8).toString('hex'),
    code_challenge: createHash('sha256').update(randomBytes(32)).digest('base64url'),
    code_challenge_method: 'S256',
    ...changes,
  })
  return `/authorize?${query}`
}
