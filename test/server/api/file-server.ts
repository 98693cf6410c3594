import { once, setMaxListeners } from 'node:events'
import http from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import express, { type ErrorRequestHandler } from 'express'
import type { Middleware } from '../../../oauth/index.js'
import { isUpgrade, takeUpgrades } from '../../../server/api/batch/upgrade.js'
import { PROBLEM_TYPE, problemOf } from '../../../server/api/exchange/problem.js'
import { rawTarget } from '../../../server/api/exchange/target.js'
import { type FileRoutesDependencies, fileRoutes } from '../../../server/api/files.js'
import { deferContinue } from '../../../server/api/input/body.js'
import { LeanResponse } from '../../../server/connections/lean-response.js'
import { upgradesOnly } from '../../../server/connections/upgrades-only.js'
import { openDatabase } from '../../../server/database/database.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Locks } from '../../../server/locks/locks.js'
import type { LockTimes } from '../../../server/locks/requests.js'
import { ahead, failedAhead, type LeanStep } from '../../../server/requests/ahead.js'
import type { Disk } from '../../../server/storage/disk/disk.js'
import { openStorage } from '../../../server/storage/sqlite-storage.js'
import type { Storage } from '../../../server/storage/storage.js'
import type { WireProblem } from '../../../server/wire/errors.js'
import type { WireAttributes, WireEntry } from '../../../server/wire/inodes.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
  attributes(): WireAttributes
  entries(): WireEntry[]
  problem(): WireProblem
}

export interface Options {
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Buffer
  readonly user?: string
  readonly scope?: string
}

/** The file API on a socket, with the real engine in a directory of its own. */
export interface FileServer {
  readonly port: number
  readonly directory: string
  readonly storage: Storage
  /** Sends the target exactly as it is given: nothing is encoded or normalised on the way. */
  send(method: string, target: string, options?: Options): Promise<Answer>
  /** Sends bytes as they are and answers all that comes until the server closes, or `until` has come. */
  raw(text: string | Buffer, until?: RegExp): Promise<string>
  /** A connection on which this was written; that it breaks is no error. */
  open(text: string): Promise<Socket>
  /** Tells the channels that the server is about to stop. */
  closing(): void
  close(): Promise<void>
}

/** Stands where the authorization server's guard stands: who asks is whoever the request says. */
function guard(needed: string): Middleware {
  return (request, response, next) => {
    const { 'x-scope': scopes = 'file.read file.write', 'x-user': user = 'alice' } = request.headers
    const scope = new Set(String(scopes).split(' '))
    if (!scope.has(needed)) {
      response.writeHead(403, { 'WWW-Authenticate': 'Bearer error="insufficient_scope"' }).end()
      return
    }
    response.locals.authenticated = { sub: String(user), scope }
    next()
  }
}

/** Fields that every answer has, as of the whole server. */
const common: LeanStep = (_request, response, next) => {
  response.common = ['X-Content-Type-Options', 'nosniff']
  next()
}

const asProblem: ErrorRequestHandler = (error, _request, response, _next) => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, fields, body } = problemOf(error)
  if (status === 500) unexpected.push(error)
  response.status(status).set(fields).type(PROBLEM_TYPE).send(JSON.stringify(body))
}

/** Errors that became a 500: none is ever expected. */
export const unexpected: unknown[] = []

export async function startFileServer({
  times,
  disk,
  ...options
}: Partial<Pick<FileRoutesDependencies, 'limits' | 'clock' | 'isLive' | 'failed'>> & {
  readonly times?: Partial<LockTimes>
  readonly disk?: Disk
} = {}): Promise<FileServer> {
  const directory = await temporaryDirectory('routes')
  const database = openDatabase(join(directory, 'coffer.sqlite'))
  const storage = await openStorage({ directory, database, ...(disk && { disk }) })
  const locks = new Locks({
    now: () => performance.now(),
    records: lockSessionTable(database),
    ...(times === undefined ? {} : { times }),
  })
  storage.guardNames(locks)
  const files = fileRoutes({
    storage,
    locks,
    requireRead: guard('file.read'),
    requireWrite: guard('file.write'),
    isLive: async () => true,
    ...options,
  })
  // As the server's own: it would set a field where an answer has begun, and end the process.
  const app = express().disable('x-powered-by')
  app.use(failedAhead)
  app.use((_request, response) => {
    response.status(404).send('not the file API')
  })
  app.use(asProblem)
  const listener = ahead(
    [{ match: (target) => rawTarget(target) !== undefined, steps: [common, files] }],
    app,
  )
  const server = http.createServer(
    { ServerResponse: LeanResponse, ...upgradesOnly(isUpgrade) },
    listener,
  )
  deferContinue(server, listener)
  const closing = new AbortController()
  setMaxListeners(0, closing.signal)
  takeUpgrades(server, listener, { silenceMilliseconds: 60_000, closing: closing.signal })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const agent = new http.Agent({ keepAlive: true })

  return {
    port,
    directory,
    storage,
    send: (method, target, options = {}) =>
      send({ agent, host: '127.0.0.1', port, method, path: target }, options),
    raw: (text, until) => raw(port, text, until),
    open: (text) => open(port, text),
    closing() {
      locks.stop()
      closing.abort()
    },
    close: async () => {
      agent.destroy()
      closing.abort()
      locks.close()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      await storage.close()
      database.close()
      await removeDirectory(directory)
    },
  }
}

async function send(
  to: http.RequestOptions,
  { headers, body, user, scope }: Options,
): Promise<Answer> {
  const who = { ...(user && { 'X-User': user }), ...(scope && { 'X-Scope': scope }) }
  const chunked = headers?.['Transfer-Encoding'] !== undefined || body === undefined
  const length = chunked ? {} : { 'Content-Length': Buffer.byteLength(body) }
  const request = http.request({ ...to, headers: { ...length, ...who, ...headers } })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return answer(response, Buffer.concat(chunks))
}

function answer({ statusCode = 0, headers, trailers }: http.IncomingMessage, body: Buffer): Answer {
  const json = () => JSON.parse(body.toString())
  return {
    status: statusCode,
    headers,
    trailers,
    body,
    attributes: () => JSON.parse(String(headers['coffer-attributes'])),
    entries: json,
    problem: json,
  }
}

async function raw(port: number, text: string | Buffer, until?: RegExp): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  let received = ''
  for await (const chunk of socket) {
    received += chunk.toString('latin1')
    if (until?.test(received)) break
  }
  socket.destroy()
  return received
}

async function open(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  socket.write(text)
  return socket
}
