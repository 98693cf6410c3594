import { expect } from 'chai'
import { type Answer, ExchangeError } from '../../../client/http/exchange.js'
import { Attempts } from '../../../client/remote/attempts.js'
import { ABANDONED_AT_ONCE, HEADERS } from '../../../server/wire/headers.js'

describe('attempts', () => {
  const answered = (status: number): Answer => ({ status, headers: {}, body: Buffer.alloc(0) })

  async function abandoned(attempts: Attempts, count: number): Promise<string[]> {
    const names: string[] = []
    for (let at = 0; at < count; at++) {
      const lost = attempts.request(async (fields) => {
        names.push(fields[HEADERS.attempt] ?? '')
        throw new ExchangeError('lost', 'no answer')
      })
      await lost.catch(() => {})
    }
    return names
  }

  it('are all given up on the server before it is asked what came of the oldest', async () => {
    const attempts = new Attempts()
    const given = await abandoned(attempts, 2 * ABANDONED_AT_ONCE + 1)
    const told = new Set<string>()
    let toldBeforeLast = 0
    await attempts.settling(async (fields) => {
      for (const name of fields[HEADERS.abandoned]?.split(', ') ?? []) told.add(name)
      toldBeforeLast = told.size
      return answered(200)
    })
    expect(toldBeforeLast).to.equal(given.length)
    expect([...told].sort()).to.deep.equal(given.sort())
  })

  it('are not told of again and again to a server that refuses', async () => {
    const attempts = new Attempts()
    await abandoned(attempts, 1)
    let asked = 0
    const answer = await attempts.settling(async () => {
      asked += 1
      return answered(404)
    })
    expect([answer.status, asked]).to.deep.equal([404, 1])
  })
})
