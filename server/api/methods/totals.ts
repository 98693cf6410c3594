import { NAME_MAX } from '../../wire/inodes.js'
import { answerJson, answerNotModified } from '../exchange/answer.js'
import { wireTotals } from '../exchange/attributes.js'
import type { Exchange } from '../exchange/exchange.js'
import { isNotModified } from '../exchange/preconditions.js'

/** GET /totals: statfs(2) numbers of the user's tree. */
export async function totals(exchange: Exchange): Promise<void> {
  const now = wireTotals(await exchange.tree.totals(), NAME_MAX)
  const fields = { 'Cache-Control': 'private, no-cache' }
  if (isNotModified(exchange)) answerNotModified(exchange, fields)
  else answerJson(exchange, 200, now, fields)
}
