import { OAuthError } from '../errors.js'
import { Parameters } from './parameters.js'

/** Bytes, a third more of them once they are sealed: a head of 16 KiB has room for that and for a cookie. */
const CARRIED_MAX = 9000
const NAME_MAX = 64

/**
 * What is asked is carried from page to page in the URL of its tab, and URLs have an end. So only what means something here goes with
 * it, and not without bound. That another parameter was repeated stays visible, for that is an error.
 */
export function carried(query: Parameters, meant: ReadonlySet<string>): Parameters {
  const others = query.pairs.map(([name]) => name).filter((name) => !meant.has(name))
  const repeated = others.filter((name, at) => others.indexOf(name) < at)
  const pairs = [
    ...query.pairs.filter(([name]) => meant.has(name)),
    ...repeated.slice(0, 1).flatMap((name) => {
      const sign = [name.slice(0, NAME_MAX), 'repeated'] as const
      return [sign, sign]
    }),
  ]
  if (Buffer.byteLength(JSON.stringify(pairs)) > CARRIED_MAX) {
    throw new OAuthError('invalid_request', `the parameters have more than ${CARRIED_MAX} bytes`)
  }
  return new Parameters(pairs)
}
