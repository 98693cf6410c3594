/** Resource indicators (RFC 8707): which resource servers a token is for. */
import type { Context } from '../context.js'
import { OAuthError } from '../errors.js'
import type { Parameters } from '../http/parameters.js'

/** absolute-URI without fragment (RFC 8707 section 2); every one must be known. Without any: the default one. */
export function requestedResources(context: Context, form: Parameters): readonly string[] {
  const asked = form.all('resource')
  if (asked.length === 0) return [context.resource]
  const strange = asked.find((resource) => !isKnown(context, resource))
  if (strange !== undefined) throw invalidTarget()
  return [...new Set(asked)]
}

/** At the token endpoint: part of what was granted, all of it when nothing is named (RFC 8707 section 2.2). */
export function narrowedResources(form: Parameters, granted: readonly string[]): readonly string[] {
  const asked = form.all('resource')
  if (asked.length === 0) return granted
  if (asked.every((resource) => granted.includes(resource))) return [...new Set(asked)]
  throw invalidTarget()
}

function isKnown(context: Context, resource: string): boolean {
  return URL.canParse(resource) && !resource.includes('#') && context.resources.has(resource)
}

function invalidTarget(): OAuthError {
  return new OAuthError(
    'invalid_target',
    'the resource is not one that this server issues tokens for',
  )
}
