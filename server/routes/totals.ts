import { NAME_MAX } from '../wire.js'
import { answerJson } from './answer.js'
import { wireTotals } from './attributes.js'
import type { Exchange } from './exchange.js'

/** GET /totals: statfs(2) numbers of the user's tree. */
export async function totals(exchange: Exchange): Promise<void> {
  const { tree } = exchange
  answerJson(exchange, 200, wireTotals(await tree.totals(), NAME_MAX), {
    'Cache-Control': 'private, no-cache',
  })
}
