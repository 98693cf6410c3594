import type { LockRange } from '../wire/locks.js'

/** The server's tables have owners of all clients: the connection, "/" (which no connection has in its name), the owner there. */
export function owned<Range extends LockRange>(connection: string, range: Range): Range {
  return { ...range, owner: `${connection}/${range.owner}` }
}

export function isOf(connection: string, { owner }: LockRange): boolean {
  return owner.startsWith(`${connection}/`)
}

export function connectionOf({ owner }: LockRange): string {
  return owner.slice(0, owner.indexOf('/'))
}
