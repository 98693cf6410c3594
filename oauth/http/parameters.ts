import { OAuthError } from '../errors.js'

/** Parameters that may come several times: RFC 8707 section 2, and the checkboxes of our own consent form. */
const REPEATABLE: ReadonlySet<string> = new Set(['resource'])
const PARAMETERS_MAX = 100

/** The parameters of one request, each at most once (RFC 6749 sections 3.1 and 3.2). */
export class Parameters {
  readonly #pairs: readonly (readonly [string, string])[]

  constructor(pairs: readonly (readonly [string, string])[]) {
    // Parameters sent without a value are treated as if they were omitted.
    this.#pairs = pairs.filter(([, value]) => value !== '')
  }

  get pairs(): readonly (readonly [string, string])[] {
    return this.#pairs
  }

  /** Every value of a parameter that may be repeated. */
  all(name: string): readonly string[] {
    const values: string[] = []
    for (const [key, value] of this.#pairs) if (key === name) values.push(value)
    return values
  }

  optional(name: string): string | undefined {
    let found: string | undefined
    for (const [key, value] of this.#pairs) {
      if (key !== name) continue
      if (found !== undefined) throw repeated(name)
      found = value
    }
    return found
  }

  required(name: string): string {
    const value = this.optional(name)
    if (value === undefined) {
      throw new OAuthError('invalid_request', `the parameter ${name} is missing`)
    }
    return value
  }

  /** Space-separated, as scope and prompt are; empty when absent. */
  list(name: string): readonly string[] {
    return (this.optional(name) ?? '').split(' ').filter((item) => item !== '')
  }

  /** Request parameters must not be included more than once, known or not. */
  rejectRepeated(): void {
    // There are at most a hundred, and mostly three: comparing them all is quicker than making a set.
    for (let index = 1; index < this.#pairs.length; index++) {
      const name = this.#pairs[index]?.[0] ?? ''
      for (let before = 0; before < index; before++) {
        if (this.#pairs[before]?.[0] === name && !REPEATABLE.has(name)) throw repeated(name)
      }
    }
  }
}

function repeated(name: string): OAuthError {
  return new OAuthError('invalid_request', `the parameter ${name} is repeated; send it once`)
}

/** What stands for something else; most names and values have none of it. */
const ENCODED = /[%+]/

/** application/x-www-form-urlencoded in UTF-8 (RFC 6749 appendix B); what does not decode is refused, not guessed. */
export function parseForm(text: string): Parameters {
  const parts = text.split('&').filter((part) => part !== '')
  if (parts.length > PARAMETERS_MAX) {
    throw new OAuthError('invalid_request', `more than ${PARAMETERS_MAX} parameters`)
  }
  return new Parameters(
    parts.map((part) => {
      const at = part.indexOf('=')
      if (at === -1) return [formDecode(part), ''] as const
      return [formDecode(part.slice(0, at)), formDecode(part.slice(at + 1))] as const
    }),
  )
}

/** One name or value: "+" is a space, the rest percent-encoded UTF-8. */
export function formDecode(text: string): string {
  if (!ENCODED.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw new OAuthError('invalid_request', 'a parameter is not percent-encoded UTF-8', { cause })
  }
}
