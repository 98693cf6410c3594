import { expect } from 'chai'
import { Connection } from '../../client/connection.js'
import { ExchangeError } from '../../client/exchange.js'
import { persistently } from '../../client/retry.js'

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
