import { FileError } from '../../errors.js'

/** The parameters of a request target, each at most once. */
export type Query = ReadonlyMap<string, string>

const NOTHING: Query = new Map()

/**
 * Strict where URLSearchParams is lenient: percent-encoded UTF-8 or refused, no name twice, none we do not know
 * ("DELETE …?xatr=a" must not delete the file).
 * @param known the names this method takes
 * @throws FileError EINVAL, EILSEQ
 */
export function parseQuery(raw: string, known: readonly string[]): Query {
  if (raw === '') return NOTHING
  const query = new Map<string, string>()
  for (const pair of raw.split('&')) {
    const mark = pair.indexOf('=')
    const name = decoded(mark === -1 ? pair : pair.slice(0, mark))
    if (!known.includes(name)) {
      const choice = known.length === 0 ? 'takes none' : `takes ${known.join(', ')}`
      throw new FileError('EINVAL', `unknown query parameter "${name}"; this method ${choice}`)
    }
    if (query.has(name)) throw new FileError('EINVAL', `the query has "${name}" more than once`)
    query.set(name, mark === -1 ? '' : decoded(pair.slice(mark + 1)))
  }
  return query
}

/** A whole number in decimal. @throws FileError EINVAL */
export function parseCount(name: string, digits: string, least: number, most: number): number {
  const count = Number(digits)
  if (!/^\d{1,16}$/.test(digits) || count < least || count > most) {
    throw new FileError('EINVAL', `${name} must be a number from ${least} to ${most}`)
  }
  return count
}

/** One of some words. @throws FileError EINVAL */
export function parseChoice<Word extends string>(
  name: string,
  word: string,
  choices: readonly Word[],
): Word {
  const choice = choices.find((one) => one === word)
  if (choice === undefined) throw new FileError('EINVAL', `${name} must be ${choices.join(', ')}`)
  return choice
}

/** application/x-www-form-urlencoded, so "+" is a space. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw new FileError('EILSEQ', 'the query must be percent-encoded UTF-8', { cause })
  }
}
