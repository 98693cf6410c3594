import { expect } from 'chai'
import { Connection } from '../../../client/http/connection.js'
import { steadyClock } from '../../../client/http/steady-clock.js'

describe('a steady clock', () => {
  let now = 0
  const clock = steadyClock(() => now)

  it('goes as the other one does, and on from where it was when that is set back', () => {
    now = 1_000_000
    const times = [0, 500, -900_000, 20, 0, -5, 7].map((milliseconds) => {
      now += milliseconds
      return clock()
    })
    expect(times).to.deep.equal([
      1_000_000, 1_000_500, 1_000_500, 1_000_520, 1_000_520, 1_000_520, 1_000_527,
    ])
  })

  it('has a server that is away asked again soon though the clock is set back', () => {
    const connection = new Connection(clock)
    connection.missed('gone', 'unreachable', connection.begin())
    now += 60_000
    expect(connection.mayTry()).to.equal(true)
    now -= 7_200_000
    expect(connection.mayTry()).to.equal(false)
    now += 500
    expect(connection.mayTry()).to.equal(true)
    expect(connection.isAwayFor(60_000)).to.equal(true)
  })
})
