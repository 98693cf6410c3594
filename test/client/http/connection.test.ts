import { expect } from 'chai'
import { Connection } from '../../../client/http/connection.js'
import { ExchangeError } from '../../../client/http/exchange.js'
import { persistently } from '../../../client/http/retry.js'

describe('whether a server can be reached', () => {
  it('is told by the newest exchange, not by an older one that fails later', async () => {
    const told: string[] = []
    const connection = new Connection(
      () => 0,
      ({ kind }) => told.push(kind),
    )
    const patience = { milliseconds: 1000, whileAwayMilliseconds: 1000 }
    const options = { connection, patience, lost: () => {} }
    let newer: Promise<unknown> | undefined
    await persistently(async () => {
      if (newer !== undefined) return
      newer = persistently(async () => 'answered', options)
      await newer
      throw new ExchangeError('lost', 'the connection fell silent')
    }, options)
    expect(told).to.deep.equal([])
  })

  it('is told by what fails after something that began later and has failed, too', () => {
    const connection = new Connection(() => 0)
    const [first, second, third] = [connection.begin(), connection.begin(), connection.begin()]
    connection.reached(first)
    connection.missed('gone', 'lost', third)
    connection.missed('gone, too', 'lost', second)
    expect(connection.state).to.include({ kind: 'away', trouble: 'gone, too' })
    connection.reached(third)
    expect(connection.state.kind).to.equal('connected')
  })
})
