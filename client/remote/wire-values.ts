import { RemoteError } from '../remote-error.js'

/** What JSON from the server may be, value by value. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** @throws RemoteError EIO for what is no number up to this one */
export function checkedCount(value: unknown, most: number = Number.MAX_SAFE_INTEGER): number {
  if (isCount(value) && value <= most) return value
  throw nonsense('a number is none, or too large')
}

/** @throws RemoteError EIO */
export function checkedStrings(list: unknown): string[] {
  if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list
  throw nonsense('a list of names is none')
}

export function nonsense(what: string): RemoteError {
  return new RemoteError('EIO', `the answer makes no sense: ${what}`)
}
