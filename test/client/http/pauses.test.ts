import { expect } from 'chai'
import { endedByReturn, Pauses } from '../../../client/http/pauses.js'

describe('a pause between tries', () => {
  let pauses: Pauses
  let end: AbortController
  let paused: Promise<unknown>
  beforeEach(() => {
    pauses = new Pauses()
    end = new AbortController()
    paused = pauses.rest(3_600_000, end.signal)
  })
  afterEach(async () => {
    end.abort()
    await paused
  })

  function seen(): Promise<unknown> {
    const soon = new Promise((resolve) => setImmediate(resolve, 'still there'))
    return Promise.race([paused, soon])
  }

  const cases: [away: number, what: string, expected: 'ended' | 'still there'][] = [
    [1_000, 'ends when a server is back that was away for a second', 'ended'],
    [999, 'goes on where a connection only came and went', 'still there'],
  ]
  for (const [away, what, expected] of cases) {
    it(what, async () => {
      let now = 5_000
      const notice = endedByReturn(pauses, () => now)
      notice({ kind: 'away' })
      now += away - 1
      notice({ kind: 'untrusted' })
      now += 1
      notice({ kind: 'connected' })
      expect(await seen()).to.equal(expected)
    })
  }

  it('goes on while the server is there', async () => {
    const notice = endedByReturn(pauses, () => 0)
    notice({ kind: 'connected' })
    expect(await seen()).to.equal('still there')
  })
})
