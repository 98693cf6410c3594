import { FileError } from '../errors.js'
import type { RemoveKind } from '../storage/storage.js'
import { answerEmpty, settled } from './answer.js'
import { type Exchange, placeAt } from './exchange.js'
import { precondition } from './preconditions.js'
import { removeXattr } from './xattrs.js'

const KINDS: readonly RemoveKind[] = ['unlink', 'rmdir', 'either']

/** DELETE: a name, an extended attribute, or an inode that was kept without a name. */
export async function remove(exchange: Exchange): Promise<void> {
  const { tree, from, names, query, origin } = exchange
  const xattr = query.get('xattr')
  if (xattr !== undefined) return removeXattr(exchange, xattr)
  const kind = parseKind(query.get('kind') ?? 'either')
  if (names.length === 0 && from !== tree.root) {
    await tree.release(from, precondition(exchange))
    await settled(exchange, from)
    answerEmpty(exchange, 204, undefined)
    return
  }
  const how = { kind, keep: query.has('keep'), precondition: precondition(exchange) }
  const inode = await tree.remove(await placeAt(exchange), how, origin)
  await settled(exchange, inode.ino)
  answerEmpty(exchange, 204, inode)
}

function parseKind(kind: string): RemoveKind {
  const known = KINDS.find((one) => one === kind)
  if (known === undefined) throw new FileError('EINVAL', `kind must be ${KINDS.join(', ')}`)
  return known
}
