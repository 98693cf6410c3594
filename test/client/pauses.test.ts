import { expect } from 'chai'
import { endedByReturn, Pauses } from '../../client/pauses.js'

describe('a pause between tries', () => {
  const cases: [away: number, what: string, expected: 'ended' | 'still there'][] = [
    [1_000, 'ends when a server is back that was away for a second', 'ended'],
    [999, 'goes on where a connection only came and went', 'still there'],
  ]
  for (const [away, what, expected] of cases) {
    it(what, async () => {
      let now = 5_000
      const pauses = new Pauses()
      const notice = endedByReturn(pauses, () => now)
      const end = new AbortController()
      const paused = pauses.rest(3_600_000, end.signal)
      notice({ kind: 'away' })
      now += away - 1
      notice({ kind: 'untrusted' })
      now += 1
      notice({ kind: 'connected' })
      const soon = new Promise((resolve) => setImmediate(resolve, 'still there'))
      expect(await Promise.race([paused, soon])).to.equal(expected)
      end.abort()
      await paused
    })
  }

  it('goes on while the server is there', async () => {
    const pauses = new Pauses()
    const notice = endedByReturn(pauses, () => 0)
    const end = new AbortController()
    const paused = pauses.rest(3_600_000, end.signal)
    notice({ kind: 'connected' })
    const soon = new Promise((resolve) => setImmediate(resolve, 'still there'))
    expect(await Promise.race([paused, soon])).to.equal('still there')
    end.abort()
    await paused
  })
})
