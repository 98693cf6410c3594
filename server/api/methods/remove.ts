import { answerEmpty } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { placeAt } from '../exchange/place.js'
import { precondition } from '../exchange/preconditions.js'
import { parseChoice } from '../exchange/query.js'
import { removeKind } from '../input/schemas.js'
import { removeXattr } from './xattrs.js'

/** DELETE: a name, an extended attribute, or an inode that was kept without a name. */
export async function remove(exchange: Exchange): Promise<void> {
  const { tree, from, names, query, origin } = exchange
  const xattr = query.get('xattr')
  if (xattr !== undefined) return removeXattr(exchange, xattr)
  const kind = parseChoice('kind', query.get('kind') ?? 'either', removeKind.options)
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
