import type { IncomingHttpHeaders } from 'node:http'
import { parseHttpDate, wholeSeconds } from './date.js'
import {
  type EntityTags,
  matchesStrongly,
  matchesWeakly,
  parseEntityTag,
  parseEntityTags,
} from './etag.js'

/** What a request makes its answer depend on (RFC 9110 section 13.1), parsed. */
export interface Conditions {
  readonly ifMatch?: EntityTags
  readonly ifNoneMatch?: EntityTags
  /** Seconds since the epoch. */
  readonly ifModifiedSince?: number
  readonly ifUnmodifiedSince?: number
}

/** The validators of what is there now; without one, no condition that names a value of it holds (of a date: none counts). */
export interface Validators {
  readonly etag?: string
  /** Nanoseconds since the epoch. */
  readonly modified?: bigint
}

export type Evaluation =
  | { kind: 'proceed' }
  | { kind: 'notModified' }
  | { kind: 'failed'; field: 'If-Match' | 'If-None-Match' | 'If-Unmodified-Since' }

const PROCEED: Evaluation = { kind: 'proceed' }
const NONE: Conditions = {}

/** @throws FileError EINVAL for a list of entity tags that is none */
export function conditions(headers: IncomingHttpHeaders, now: Date): Conditions {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  const modified = headers['if-modified-since']
  const unmodified = headers['if-unmodified-since']
  if ((ifMatch ?? ifNoneMatch ?? modified ?? unmodified) === undefined) return NONE
  const ifModifiedSince = modified && parseHttpDate(modified, now)
  const ifUnmodifiedSince = unmodified && parseHttpDate(unmodified, now)
  return {
    ...(ifMatch !== undefined && { ifMatch: parseEntityTags('If-Match', ifMatch) }),
    ...(ifNoneMatch !== undefined && {
      ifNoneMatch: parseEntityTags('If-None-Match', ifNoneMatch),
    }),
    ...(typeof ifModifiedSince === 'number' && { ifModifiedSince }),
    ...(typeof ifUnmodifiedSince === 'number' && { ifUnmodifiedSince }),
  }
}

/**
 * The order of precedence of RFC 9110 section 13.2.2.
 * @param method `read` is GET and HEAD, where an unchanged content is 304; `write` is everything else
 * @param current undefined when nothing is there
 */
export function evaluate(
  asked: Conditions,
  method: 'read' | 'write',
  current: Validators | undefined,
): Evaluation {
  if (asked === NONE) return PROCEED
  if (asked.ifMatch !== undefined) {
    // step 1
    if (current === undefined || !matchesStrongly(asked.ifMatch, current.etag)) {
      return { kind: 'failed', field: 'If-Match' }
    }
  } else if (asked.ifUnmodifiedSince !== undefined && current?.modified !== undefined) {
    // step 2
    if (wholeSeconds(current.modified) > asked.ifUnmodifiedSince) {
      return { kind: 'failed', field: 'If-Unmodified-Since' }
    }
  }
  if (asked.ifNoneMatch !== undefined) {
    // step 3
    if (current === undefined || !matchesWeakly(asked.ifNoneMatch, current.etag)) return PROCEED
    return method === 'read' ? { kind: 'notModified' } : { kind: 'failed', field: 'If-None-Match' }
  }
  // step 4: only GET and HEAD know If-Modified-Since
  if (
    method === 'write' ||
    asked.ifModifiedSince === undefined ||
    current?.modified === undefined
  ) {
    return PROCEED
  }
  return wholeSeconds(current.modified) <= asked.ifModifiedSince ? { kind: 'notModified' } : PROCEED
}

/**
 * If-Range (RFC 9110 section 13.1.5): whether Range still counts. Comparison is strong. A weak tag never matches, and no date
 * does: modification times are set by utimensat(2), `cp -p` and rsync, so a file may change and keep its date, which
 * therefore is no strong validator (section 8.8.2.2). Every file has an entity tag to ask by.
 */
export function rangeApplies(field: string | undefined, current: Validators): boolean {
  if (field === undefined) return true
  const tag = parseEntityTag(field)
  return tag !== undefined && !tag.weak && tag.opaque === current.etag
}
