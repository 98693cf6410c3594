import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { FileError } from '../../errors.js'
import { field } from '../../http/field.js'
import type { Origin } from '../../storage/storage.js'
import { ABANDONED_AT_ONCE, HEADERS } from '../../wire/headers.js'
import { NAME, parseOrigin } from './origin.js'

/** Of each user; the oldest are forgotten first. */
const MOST_ABANDONED = 1000

/**
 * Requests and channels that their client has given up, to ask again on another connection; and all those of clients whose process has
 * ended. What the dead connection still brings, perhaps much later, must not be done any more: it would go over what was changed since.
 */
export class Attempts {
  readonly #abandoned = new Map<string, Set<string>>()

  /** Who sends a request, and until when it wants that; takes in what it says of others that it wants no longer. @throws FileError EINVAL */
  origin(user: string, headers: IncomingHttpHeaders): Origin {
    const origin = parseOrigin({ headers })
    const { connection } = origin
    const attempt = field(headers, HEADERS.attempt)
    const abandoned = field(headers, HEADERS.abandoned)
    const change = field(headers, HEADERS.change)
    if (connection === undefined) {
      if (attempt === undefined && abandoned === undefined && change === undefined) return origin
      throw new FileError(
        'EINVAL',
        `attempts and changes are of a connection: send ${HEADERS.connection}, too`,
      )
    }
    if (abandoned !== undefined) {
      for (const name of names(abandoned)) this.#abandon(user, `${connection} ${name}`)
    }
    if (attempt !== undefined && !NAME.test(attempt)) throw malformed()
    const keys = attempt === undefined ? [connection] : [connection, `${connection} ${attempt}`]
    const mustBeWanted = () => this.#mustBeWanted(user, keys)
    return { ...withChange(origin, change), mustBeWanted }
  }

  /** Nothing that comes by this connection, or has come by it and is not done yet, is wanted from now on. */
  fence(user: string, connection: string): void {
    this.#abandon(user, connection)
  }

  #abandon(user: string, key: string): void {
    const keys = this.#abandoned.get(user) ?? new Set()
    this.#abandoned.set(user, keys.add(key))
    for (const oldest of keys) {
      if (keys.size <= MOST_ABANDONED) break
      keys.delete(oldest)
    }
  }

  #mustBeWanted(user: string, keys: readonly string[]): void {
    const abandoned = this.#abandoned.get(user)
    if (abandoned === undefined || !keys.some((key) => abandoned.has(key))) return
    throw new FileError('ESTALE', 'the client has given this up, or has ended')
  }
}

/**
 * A client whose connection has ended asks again on another one; or its process has ended, and one that came after it has looked
 * meanwhile. So what had to wait is done for neither.
 */
export function whileThere(origin: Origin, socket: Socket): Origin {
  if (origin.connection === undefined) return origin
  const mustBeThere = () => {
    if (!socket.destroyed && !socket.readableEnded && !socket.writableEnded) return
    throw new FileError('ESTALE', 'the client is gone that asked')
  }
  return { ...origin, mustBeThere, leave: () => socket.destroy() }
}

/** @throws FileError EINVAL */
export function withChange(origin: Origin, change: string | undefined): Origin {
  if (change === undefined) return origin
  if (origin.connection !== undefined && NAME.test(change)) return { ...origin, change }
  throw new FileError(
    'EINVAL',
    `a change is named by 1 to 64 of A-Z a-z 0-9 _ -, by a connection that named itself (${HEADERS.connection})`,
  )
}

function names(text: string): string[] {
  const all = text.split(',').map((name) => name.trim())
  if (all.length <= ABANDONED_AT_ONCE && all.every((name) => NAME.test(name))) return all
  throw malformed()
}

function malformed(): FileError {
  const most = `up to ${ABANDONED_AT_ONCE} are given up at once`
  return new FileError('EINVAL', `an attempt is named by 1 to 64 of A-Z a-z 0-9 _ -, and ${most}`)
}
