import { constants } from 'node:os'

const ERRNO: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno))

/** An error the binding itself answers a request with; `code` is an errno name. */
export class FuseError extends Error {
  override readonly name = 'FuseError'
  readonly code: string

  constructor(code: string, message: string) {
    super(`${code}: ${message}`)
    this.code = code
  }
}

/** Any object whose `code` is an errno name becomes that errno; everything else tells the program nothing but EIO. */
export function errnoOf(error: unknown): number {
  return namedErrno(error) ?? constants.errno.EIO
}

export function namedErrno(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? ERRNO.get(error.code) : undefined
}
