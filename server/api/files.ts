import type { Authenticated, Middleware, ServedRequest, ServedResponse } from '../../oauth/index.js'
import type { FileError } from '../errors.js'
import { preflight } from '../http/cross-origin.js'
import { field } from '../http/field.js'
import { Refusal } from '../http/refusal.js'
import { methodOfUpload, OFFSET_TYPE, TUS_VERSION } from '../http/tus.js'
import type { Locks } from '../locks/locks.js'
import type { Storage } from '../storage/storage.js'
import { batch } from './batch/batch.js'
import { channel } from './batch/channel.js'
import { changes } from './changes.js'
import { answerAtHand, isPlainRead } from './content/plain-read.js'
import { Attempts, whileThere } from './exchange/attempts.js'
import { parseDurability } from './exchange/durability.js'
import { DEFAULT_LIMITS, type Exchange, type Limits } from './exchange/exchange.js'
import { HeldAnswers } from './exchange/held-answers.js'
import { parseQuery } from './exchange/query.js'
import { ReprDigests } from './exchange/repr-digest.js'
import { ResumableUploads } from './exchange/resumable.js'
import {
  type RawTarget,
  rawTarget,
  type TargetKind,
  type TreeTarget,
  treeTarget,
  uploadId,
} from './exchange/target.js'
import { dropRest } from './input/body.js'
import { copy, move } from './methods/move.js'
import { ACCEPT_PATCH, patch } from './methods/patch.js'
import { post } from './methods/post.js'
import { put } from './methods/put.js'
import { read } from './methods/read.js'
import { remove } from './methods/remove.js'
import { reserve } from './methods/reserve.js'
import { totals } from './methods/totals.js'
import { deleteUpload, headUpload, patchUpload, tusFields } from './methods/uploads.js'

export interface FileRoutesDependencies {
  readonly storage: Storage
  readonly locks: Locks
  /** Lets through who may read, and sets `response.locals.authenticated`. */
  readonly requireRead: Middleware
  readonly requireWrite: Middleware
  /** Whether who was let in still may; asked while a stream of changes is open. */
  readonly isLive: (authenticated: Authenticated) => boolean | Promise<boolean>
  readonly limits?: Partial<Limits>
  readonly clock?: () => Date
  /** Learns why an operation of a batch or a channel failed, where that is the server's own business. */
  readonly failed?: (error: FileError) => void
}

interface Method {
  readonly scope: 'requireRead' | 'requireWrite'
  /** Query parameters it takes. */
  readonly query: readonly string[]
  readonly serve: (exchange: Exchange) => Promise<void>
}
type Methods = ReadonlyMap<string, Method>
type Next = Parameters<Middleware>[2]

const READ: Method = {
  scope: 'requireRead',
  query: ['limit', 'after', 'xattrs', 'xattr', 'download', 'seek', 'offset', 'change'],
  serve: read,
}
const TOTALS: Method = { scope: 'requireRead', query: [], serve: totals }
const CHANNEL: Method = { scope: 'requireRead', query: [], serve: channel }
const CHANGES: Method = { scope: 'requireRead', query: ['since', 'others'], serve: changes }

/** Every method of every kind of target (docs/file-api.md). */
const METHODS: Readonly<Record<TargetKind, Methods>> = {
  server: new Map(),
  tree: new Map([
    ['GET', READ],
    ['HEAD', READ],
    ['PUT', { scope: 'requireWrite', query: ['xattr', 'mode'], serve: put }],
    ['PATCH', { scope: 'requireWrite', query: ['append'], serve: patch }],
    ['POST', { scope: 'requireWrite', query: ['sync', 'nameless'], serve: post }],
    ['DELETE', { scope: 'requireWrite', query: ['xattr', 'kind', 'keep'], serve: remove }],
    ['MOVE', { scope: 'requireWrite', query: ['keep'], serve: move }],
    ['COPY', { scope: 'requireWrite', query: [], serve: copy }],
  ]),
  inodes: new Map([['POST', { scope: 'requireWrite', query: ['reserve'], serve: reserve }]]),
  totals: new Map([
    ['GET', TOTALS],
    ['HEAD', TOTALS],
  ]),
  batch: new Map([
    ['POST', { scope: 'requireRead', query: [], serve: batch }],
    ['GET', CHANNEL],
    ['HEAD', CHANNEL],
  ]),
  upload: new Map([
    ['HEAD', { scope: 'requireWrite', query: [], serve: headUpload }],
    ['PATCH', { scope: 'requireWrite', query: [], serve: patchUpload }],
    ['DELETE', { scope: 'requireWrite', query: [], serve: deleteUpload }],
  ]),
  changes: new Map([
    ['GET', CHANGES],
    ['HEAD', CHANGES],
  ]),
}
/** What OPTIONS says of the server as a whole (RFC 9110 section 9.3.7). */
const ALL: Methods = new Map(Object.values(METHODS).flatMap((methods) => [...methods]))
const ROOT: TreeTarget = { from: 'root', names: [] }

/**
 * The file API (docs/file-api.md) as one handler for the root, with Express or without: it works on the raw request
 * target, which a router would decode and normalise. What is not the file API's goes on to the next handler.
 */
export function fileRoutes(dependencies: FileRoutesDependencies): Middleware {
  const { storage, locks } = dependencies
  const limits = { ...DEFAULT_LIMITS, ...dependencies.limits }
  const openStreams = new Map<string, number>()
  const { heldAnswerBytes: bytes, stalledMilliseconds } = limits
  const heldAnswers = new HeldAnswers({ bytes, stalledMilliseconds })
  const clock = dependencies.clock ?? (() => new Date())
  const failed = dependencies.failed ?? (() => {})
  const attempts = new Attempts()
  const digests = new ReprDigests()
  const uploads = new ResumableUploads(limits.uploadLifetimeMilliseconds, clock)

  async function serve(
    { scope, query: known, serve }: Method,
    raw: RawTarget,
    request: ServedRequest,
    response: ServedResponse,
  ): Promise<void> {
    const at = raw.kind === 'tree' ? treeTarget(raw.path) : ROOT
    if (known === READ.query && isPlainRead(request, raw.query)) {
      const { sub }: Authenticated = response.locals.authenticated
      const atHand = storage.atHand(sub, at.from, at.names)
      if (atHand !== undefined) return answerAtHand(atHand, response, clock)
    }
    const query = parseQuery(raw.query, known)
    const durability = parseDurability(request)
    const authenticated: Authenticated = response.locals.authenticated
    const origin = whileThere(attempts.origin(authenticated.sub, request.headers), request.socket)
    const mayWrite = authenticated.scope.has('file.write')
    const isLive = () => dependencies.isLive(authenticated)
    if (scope === 'requireWrite') await storage.pause()
    const tree = await storage.tree(authenticated.sub)
    const from = at.from === 'root' ? tree.root : at.from
    const where = { tree, from, names: at.names, query }
    await serve({
      request,
      response,
      storage,
      ...where,
      origin,
      mayWrite,
      isLive,
      openStreams,
      heldAnswers,
      locks,
      fence: (connection) => attempts.fence(authenticated.sub, connection),
      digests,
      uploads,
      uploadId: raw.kind === 'upload' ? uploadId(raw.path) : '',
      durability,
      limits,
      clock,
      failed,
    })
  }

  return (request, response, next) => {
    const raw = rawTarget(request.originalUrl)
    if (raw === undefined) {
      next()
      return
    }
    const isOfUpload = raw.kind === 'upload'
    if (isOfUpload || field(request.headers, 'Tus-Resumable') !== undefined) {
      // in every answer, that of an error, too
      response.setHeader('Tus-Resumable', TUS_VERSION)
    }
    const asked = request.method ?? ''
    const method = METHODS[raw.kind].get(
      isOfUpload ? methodOfUpload(asked, request.headers) : asked,
    )
    if (method === undefined) {
      const isOfAll = raw.kind === 'server' && request.method === 'OPTIONS'
      const methods = isOfAll ? ALL : METHODS[raw.kind]
      answerOtherMethod(methods, limits, request, response, next)
      return
    }
    const fail = (error: unknown) => answerError(error, request, response, next)
    dependencies[method.scope](request, response, (error?: unknown) => {
      if (error !== undefined) fail(error)
      else serve(method, raw, request, response).catch(fail)
    })
  }
}

function answerOtherMethod(
  methods: Methods,
  limits: Limits,
  request: ServedRequest,
  response: ServedResponse,
  next: Next,
): void {
  const Allow = [...methods.keys(), 'OPTIONS'].join(', ')
  if (request.method !== 'OPTIONS') {
    const refusal = new Refusal(405, `${request.method} is not known here; use ${Allow}`, { Allow })
    answerError(refusal, request, response, next)
    return
  }
  const types = methods === METHODS.upload ? OFFSET_TYPE : ACCEPT_PATCH
  const patches = methods.has('PATCH') ? { 'Accept-Patch': types } : {}
  const fields = { ...patches, ...tusFields(limits.uploadBytes), ...preflight(Allow) }
  response.writeHead(204, { Allow, ...fields })
  response.end()
}

/** Errors are translated in one place, failure.ts: also what is left to say when the client is gone. */
function answerError(
  error: unknown,
  request: ServedRequest,
  response: ServedResponse,
  next: Next,
): void {
  if (!response.headersSent && !response.destroyed) dropRest(request, response)
  next(error)
}
