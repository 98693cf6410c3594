import { type FileErrorCode, STATUS } from '../../server/wire/errors.js'
import { HEADERS } from '../../server/wire/headers.js'
import type { WireAttributes, WireEntry } from '../../server/wire/inodes.js'
import type { Answer } from '../http/exchange.js'
import { hidesServer } from '../http/hidden-server.js'
import { Busy } from '../http/retry.js'
import { RemoteError } from '../remote-error.js'
import { checkedAttributes, checkedEntries } from './wire-attributes.js'
import { checkedStrings, isCount, isRecord, nonsense } from './wire-values.js'

/** What the server's answers say, parsed: a server is not trusted to be right, or to be a Coffer server at all. */

/** The errno of an answer without a body that says more (to HEAD, or from something in between). */
const CODE_OF_STATUS: ReadonlyMap<number, FileErrorCode> = new Map([
  [400, 'EINVAL'],
  [401, 'EACCES'],
  [403, 'EACCES'],
  [404, 'ENOENT'],
  [409, 'ENOTDIR'],
  [410, 'ESTALE'],
  [412, 'ESTALE'],
  [413, 'EFBIG'],
  [414, 'ENAMETOOLONG'],
  [501, 'ENOTSUP'],
  [507, 'ENOSPC'],
])

/** @throws RemoteError unless the answer's status is a success */
export function successful(answer: Answer): Answer {
  if (answer.status >= 200 && answer.status < 300) return answer
  throw problem(answer)
}

/** What is said of a file, on which names and what is unsent of it are given up: only the server knows that. */
const OF_FILES: ReadonlySet<number> = new Set([400, 404, 409, 410, 412])

/**
 * A gateway that does not reach its server may say so by a 404 of its own, or by a page.
 * @throws Busy for an answer about a file that is not the server's
 */
export function ofServer(answer: Answer): Answer {
  const isOther = OF_FILES.has(answer.status) && !isProblem(answer)
  if (isOther || hidesServer(answer.status, answer.headers)) {
    throw new Busy(answer, 'something before the server')
  }
  return answer
}

function isProblem({ headers }: Answer): boolean {
  return /^application\/problem\+json\b/i.test(headers['content-type'] ?? '')
}

/** The errno of a problem+json answer (RFC 9457), or of its status. */
export function problem(answer: Answer): RemoteError {
  // The answer to a HEAD has the same fields and no body (RFC 9110 section 9.3.2).
  if (isProblem(answer) && answer.body.length > 0) {
    const document = parsedJson(answer.body)
    if (isRecord(document) && isCode(document.code)) return refused(document)
  }
  const code = CODE_OF_STATUS.get(answer.status) ?? 'EIO'
  return new RemoteError(code, `the server answered ${answer.status}`)
}

/** What the server refuses an operation with; EIO for a code that nobody knows. */
export function refused({ code, detail }: { code?: unknown; detail?: unknown }): RemoteError {
  const said = `${code}: ${typeof detail === 'string' ? detail : ''}`
  return new RemoteError(isCode(code) ? code : 'EIO', said.slice(0, MOST_SAID))
}

/** What is said for people goes into the log. */
const MOST_SAID = 1_000

function isCode(code: unknown): code is FileErrorCode {
  return typeof code === 'string' && Object.hasOwn(STATUS, code)
}

/** The attributes in the answer's header. @throws RemoteError EIO if it has none: this is no Coffer server */
export function headerAttributes(answer: Answer): WireAttributes {
  const field = answer.headers[HEADERS.attributes.toLowerCase()]
  if (typeof field !== 'string') {
    throw new RemoteError(
      'EIO',
      `the answer has no ${HEADERS.attributes}: is this a Coffer server?`,
    )
  }
  return checkedAttributes(parsedJson(field))
}

export function bodyAttributes(answer: Answer): WireAttributes {
  return checkedAttributes(parsedJson(answer.body))
}

export function bodyEntries(answer: Answer): WireEntry[] {
  return checkedEntries(parsedJson(answer.body))
}

export function bodyStrings(answer: Answer): string[] {
  return checkedStrings(parsedJson(answer.body))
}

/** The members of a JSON object that must all be numbers. */
export function bodyNumbers<Name extends string>(
  answer: Answer,
  names: readonly Name[],
): Record<Name, number> {
  const document = parsedJson(answer.body)
  if (!isRecord(document) || names.some((name) => !isCount(document[name]))) {
    throw nonsense(`one of ${names.join(', ')} is no number`)
  }
  return document as Record<Name, number>
}

/** What a seek found; undefined if there is none before the end. */
export function bodyOffset(answer: Answer): number | undefined {
  const document = parsedJson(answer.body)
  if (isRecord(document) && document.offset === null) return undefined
  return bodyNumbers(answer, ['offset']).offset
}

/** Whether a change was made, and the version it made, or the number of what it made, if that is known. @throws RemoteError EIO */
export function bodyMade(answer: Answer): { made: boolean; version?: number; ino?: number } {
  const document = parsedJson(answer.body)
  if (!isRecord(document) || typeof document.made !== 'boolean') {
    throw nonsense('whether a change was made is not said')
  }
  const { made, version, ino } = document
  return { made, ...(isCount(version) && { version }), ...(isCount(ino) && { ino }) }
}

function parsedJson(text: string | Buffer): unknown {
  try {
    return JSON.parse(text.toString())
  } catch (cause) {
    throw new RemoteError('EIO', 'the answer is no JSON: is this a Coffer server?', { cause })
  }
}
