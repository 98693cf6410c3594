import { FileError } from '../../errors.js'
import { answerJson } from '../exchange/answer.js'
import type { Exchange } from '../exchange/exchange.js'
import { parseCount } from '../exchange/query.js'

const MAX_RESERVED = 10_000

/** POST /inodes?reserve=N: inode numbers for files that a mount has not sent yet. */
export async function reserve(exchange: Exchange): Promise<void> {
  const { tree, query } = exchange
  const asked = query.get('reserve')
  if (asked === undefined) throw new FileError('EINVAL', 'say how many: /inodes?reserve=N')
  const count = parseCount('reserve', asked, 1, MAX_RESERVED)
  answerJson(exchange, 200, { first: await tree.reserve(count), count })
}
