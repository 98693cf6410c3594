import type { IncomingMessage } from 'node:http'
import { FileError } from '../../errors.js'
import { field } from '../../http/field.js'
import type { Ino } from '../../storage/storage.js'
import { HEADERS } from '../../wire/headers.js'
import type { Exchange } from './exchange.js'

export function parseDurability(request: IncomingMessage): 'power' | 'process' {
  const durability = field(request.headers, HEADERS.durability) ?? 'power'
  if (durability === 'power' || durability === 'process') return durability
  throw new FileError('EINVAL', `${HEADERS.durability} must be power or process`)
}

/** What was changed (and the content of this inode) is on the disk as firmly as the request asked for. */
export async function settled({ storage, durability }: Exchange, ino?: Ino): Promise<void> {
  if (durability === 'power') await storage.durable(ino)
}
