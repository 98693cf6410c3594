import type { IncomingHttpHeaders } from 'node:http'
import { PreconditionFailed } from '../../errors.js'
import { type Conditions, conditions, evaluate, type Validators } from '../../http/conditional.js'
import { contentEtag, matchesStrongly, parseEntityTags, strongEtag } from '../../http/etag.js'
import type { Precondition, ValuePrecondition } from '../../storage/storage.js'
import type { Exchange } from './exchange.js'

/** The request's conditions as the engine evaluates them, in the transaction that makes the change. */
export function precondition({ request, clock }: Exchange): Precondition {
  return preconditionOf(request.headers, clock())
}

export function preconditionOf(headers: IncomingHttpHeaders, now: Date): Precondition {
  const asked = conditions(headers, now)
  return (current) => {
    const validators = current && { etag: strongEtag(current), modified: current.mtime }
    evaluated(asked, 'write', validators)
  }
}

/** The same of an extended attribute, which is a resource of its own, with an entity tag of its own and no date. */
export function valuePrecondition({ request, clock }: Exchange): ValuePrecondition {
  const asked = conditions(request.headers, clock())
  return (value) => {
    evaluated(asked, 'write', value && { etag: contentEtag(value) })
  }
}

/**
 * Conditions of GET and HEAD. What is put together for each answer (the entries of a directory with their attributes, for one) has no
 * validators: then `*` asks whether it is there, and nothing else that is asked can hold.
 * @throws PreconditionFailed
 */
export function isNotModified({ request, clock }: Exchange, current: Validators = {}): boolean {
  return evaluated(conditions(request.headers, clock()), 'read', current) === 'notModified'
}

function evaluated(
  asked: Conditions,
  method: 'read' | 'write',
  current: Validators | undefined,
): 'proceed' | 'notModified' {
  const outcome = evaluate(asked, method, current)
  if (outcome.kind === 'failed') throw failed(outcome.field, current)
  return outcome.kind
}

/** If-Match where it is a field of an operation, not of the request. @throws FileError EINVAL */
export function ifMatch(text: string): Precondition {
  const tags = parseEntityTags('ifMatch', text)
  return (current) => {
    const etag = current && strongEtag(current)
    if (etag === undefined) throw failed('If-Match', undefined)
    if (!matchesStrongly(tags, etag)) throw failed('If-Match', { etag })
  }
}

export function failed(
  field: 'If-Match' | 'If-None-Match' | 'If-Unmodified-Since',
  current: Validators | undefined,
): PreconditionFailed {
  if (field === 'If-None-Match') {
    return new PreconditionFailed('EEXIST', 'If-None-Match does not hold: it exists already')
  }
  const { etag = 'without an entity tag' } = current ?? {}
  const now = current === undefined ? 'nothing is there' : `it is ${etag} now`
  return new PreconditionFailed('ESTALE', `${field} does not hold: ${now}`)
}
