import type { IncomingMessage } from 'node:http'
import { FileError } from '../../errors.js'
import { field } from '../../http/field.js'
import type { Origin } from '../../storage/storage.js'
import { connectionOf } from '../../wire/connection.js'
import { HEADERS } from '../../wire/headers.js'

/** What clients name: attempt, change = 1*64( ALPHA / DIGIT / "_" / "-" ) */
export const NAME = /^[A-Za-z0-9_-]{1,64}$/

/** The secret of a connection = 22*64( ALPHA / DIGIT / "_" / "-" ) */
export const CONNECTION_SECRET = /^[A-Za-z0-9_-]{22,64}$/

export function parseOrigin(request: Pick<IncomingMessage, 'headers'>): Origin {
  const secret = field(request.headers, HEADERS.connection)
  if (secret === undefined) return {}
  if (!CONNECTION_SECRET.test(secret)) {
    throw new FileError('EINVAL', `${HEADERS.connection} must be 22 to 64 of A-Z a-z 0-9 _ -`)
  }
  return { connection: connectionOf(secret) }
}
