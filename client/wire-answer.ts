import { FILE_TYPES, NAME_MAX, type WireAttributes, type WireEntry } from '../server/wire.js'
import { type FileErrorCode, STATUS } from '../server/wire-errors.js'
import { HEADERS } from '../server/wire-headers.js'
import type { Answer } from './exchange.js'
import { RemoteError } from './remote-files.js'

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

/** The errno of a problem+json answer (RFC 9457), or of its status. */
export function problem(answer: Answer): RemoteError {
  // The answer to a HEAD has the same fields and no body (RFC 9110 section 9.3.2).
  const isProblem = /^application\/problem\+json\b/i.test(answer.headers['content-type'] ?? '')
  if (isProblem && answer.body.length > 0) {
    const document = parsedJson(answer.body)
    if (isRecord(document) && typeof document.code === 'string' && document.code in STATUS) {
      const detail = typeof document.detail === 'string' ? document.detail : ''
      return new RemoteError(document.code as FileErrorCode, `${document.code}: ${detail}`)
    }
  }
  const code = CODE_OF_STATUS.get(answer.status) ?? 'EIO'
  return new RemoteError(code, `the server answered ${answer.status}`)
}

/** The errno the server names, or EIO for one nobody knows. */
export function refusalCode(code: string): FileErrorCode {
  return code in STATUS ? (code as FileErrorCode) : 'EIO'
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
  const list = parsedJson(answer.body)
  if (!Array.isArray(list)) throw nonsense('a directory listing is no array')
  return list.map(checkedEntry)
}

export function bodyStrings(answer: Answer): string[] {
  const list = parsedJson(answer.body)
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    throw nonsense('a list of names is none')
  }
  return list
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

const TIME = /^-?\d{1,19}$/

/** Field by field: every answer about a file passes by here. @throws RemoteError EIO for what are no attributes */
export function checkedAttributes(value: unknown): WireAttributes {
  if (
    isRecord(value) &&
    isCount(value.ino) &&
    isCount(value.mode) &&
    isCount(value.uid) &&
    isCount(value.gid) &&
    isCount(value.nlink) &&
    isCount(value.size) &&
    isCount(value.rdev) &&
    isCount(value.version) &&
    isCount(value.generation) &&
    isTime(value.atime) &&
    isTime(value.mtime) &&
    isTime(value.ctime) &&
    isTime(value.crtime) &&
    (value.allocated === undefined || isCount(value.allocated)) &&
    (value.permissions === undefined || isCount(value.permissions)) &&
    typeof value.etag === 'string' &&
    isFileType(value.type) &&
    (value.type === 'symlink') === (typeof value.target === 'string')
  ) {
    return withEqualTimesOnce(value as unknown as WireAttributes)
  }
  throw nonsense('attributes are incomplete')
}

/** Most files were made, written and read at once. Parsed, each of their times is a string of its own, and those of many files are remembered. */
function withEqualTimesOnce(attributes: WireAttributes): WireAttributes {
  const { atime, mtime, ctime, crtime } = attributes
  if (ctime === mtime) attributes.ctime = mtime
  if (crtime === mtime) attributes.crtime = mtime
  if (atime === mtime) attributes.atime = mtime
  return attributes
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && TIME.test(value)
}

function isFileType(value: unknown): boolean {
  return (FILE_TYPES as readonly unknown[]).includes(value)
}

/** A name from the server must not lead out of the directory it is listed in. */
export function checkedEntry(value: unknown): WireEntry {
  const checked = checkedAttributes(value)
  const { name } = checked as WireEntry
  if (
    typeof name !== 'string' ||
    /^\.{0,2}$/.test(name) ||
    /[/\0]/.test(name) ||
    Buffer.byteLength(name) > NAME_MAX
  ) {
    throw nonsense('a directory has an entry that is no name')
  }
  return checked as WireEntry
}

function parsedJson(text: string | Buffer): unknown {
  try {
    return JSON.parse(text.toString())
  } catch (cause) {
    throw new RemoteError('EIO', 'the answer is no JSON: is this a Coffer server?', { cause })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function nonsense(what: string): RemoteError {
  return new RemoteError('EIO', `the answer makes no sense: ${what}`)
}
