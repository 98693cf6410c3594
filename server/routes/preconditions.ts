import type { IncomingHttpHeaders } from 'node:http'
import { PreconditionFailed } from '../errors.js'
import { conditions, evaluate } from '../http/conditional.js'
import { matchesStrongly, parseEntityTags, strongEtag } from '../http/etag.js'
import type { Inode, Precondition } from '../storage/storage.js'
import type { Exchange } from './exchange.js'

/** The request's conditions as the engine evaluates them, in the transaction that makes the change. */
export function precondition({ request, clock }: Exchange): Precondition {
  return preconditionOf(request.headers, clock())
}

export function preconditionOf(headers: IncomingHttpHeaders, now: Date): Precondition {
  const asked = conditions(headers, now)
  return (current) => {
    const validators = current && { etag: strongEtag(current), modified: current.mtime }
    const outcome = evaluate(asked, 'write', validators)
    if (outcome.kind === 'failed') throw failed(outcome.field, current)
  }
}

/** If-Match where it is a field of an operation, not of the request. @throws FileError EINVAL */
export function ifMatch(text: string): Precondition {
  const tags = parseEntityTags('ifMatch', text)
  return (current) => {
    if (current === undefined || !matchesStrongly(tags, strongEtag(current))) {
      throw failed('If-Match', current)
    }
  }
}

export function failed(
  field: 'If-Match' | 'If-None-Match' | 'If-Unmodified-Since',
  current: Inode | undefined,
): PreconditionFailed {
  if (field === 'If-None-Match') {
    return new PreconditionFailed('EEXIST', 'If-None-Match does not hold: it exists already')
  }
  const now = current === undefined ? 'nothing is there' : `it is ${strongEtag(current)} now`
  return new PreconditionFailed('ESTALE', `${field} does not hold: ${now}`)
}
