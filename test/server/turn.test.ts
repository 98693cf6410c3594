import { stat } from 'node:fs/promises'
import { expect } from 'chai'
import { ownTurn } from '../../server/turn.js'

describe('a turn of the event loop of one’s own', () => {
  it('comes after what others have sent meanwhile is read, and has nothing else in it', async () => {
    let turn = 0
    let counting = true
    const count = (): void => {
      turn++
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    // In the phase in which requests are read, too: an immediate that is asked for there comes before any more are.
    await stat('.')
    const asked = turn
    const turns = await Promise.all(Array.from({ length: 4 }, () => ownTurn().then(() => turn)))
    counting = false
    expect(turns[0]).to.be.above(asked + 1)
    expect(new Set(turns).size).to.equal(turns.length)
  })
})
