import { expect } from 'chai'
import { ExchangeError } from '../../client/exchange.js'
import { Connection, persistently } from '../../client/retry.js'

/** A server that takes connections and says nothing, on a clock that only its silence moves. */
function frozenServer(connectMilliseconds: number) {
  let now = 1_000_000
  let tries = 0
  const connection = new Connection(() => now)
  const failed = async (): Promise<number> => {
    tries = 0
    const begun = now
    const attempt = async (): Promise<never> => {
      tries += 1
      now += connectMilliseconds
      throw new ExchangeError('unreachable', 'no answer in time')
    }
    const patience = { milliseconds: 60_000, whileAwayMilliseconds: 10_000 }
    const error: unknown = await persistently(attempt, {
      connection,
      patience,
      lost: () => {},
    }).catch((caught: unknown) => caught)
    expect(error).to.have.property('code', 'EIO')
    return now - begun
  }
  return { failed, connection, tries: () => tries }
}

describe('how long an operation waits for a server', () => {
  it('counts from the try that found none, not from the end of that', async () => {
    const server = frozenServer(10_000)
    expect(await server.failed()).to.equal(60_000)
    expect(server.tries()).to.equal(6)
  })

  it('counts no more than a try can take: before that it waited for its turn', async () => {
    const server = frozenServer(45_000)
    expect(await server.failed()).to.equal(135_000)
  })

  it('waits ten seconds only once another has waited in vain, and as long as ever when it was back', async () => {
    const server = frozenServer(9_995)
    expect(await server.failed()).to.equal(59_970)
    expect(await server.failed()).to.equal(9_995)
    server.connection.reached(server.connection.begin())
    expect(await server.failed()).to.equal(59_970)
  })
})

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
