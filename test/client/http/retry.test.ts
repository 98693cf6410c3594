import { expect } from 'chai'
import { Connection } from '../../../client/http/connection.js'
import { ExchangeError } from '../../../client/http/exchange.js'
import { Busy, persistently } from '../../../client/http/retry.js'
import { until } from '../../support/until.js'

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

  it('asks a server that is away once for a whole crowd, and lets all go when it answers', async () => {
    let now = 0
    const connection = new Connection(() => now)
    connection.missed('not there', 'unreachable', connection.begin())
    now = 10_000
    const asked: (() => void)[] = []
    const attempt = () => new Promise<void>((answer) => asked.push(answer))
    const patience = { milliseconds: 60_000, whileAwayMilliseconds: 10_000 }
    const crowd = Array.from({ length: 40 }, () =>
      persistently(attempt, { connection, patience, lost: () => {} }),
    )
    expect(asked).to.have.length(1)
    asked[0]?.()
    await until('all have asked', async () => asked.length === 40)
    for (const answer of asked) answer()
    await Promise.all(crowd)
  })

  it('is over in time, too, for one that never has its turn to ask', async () => {
    let now = 0
    const connection = new Connection(() => now)
    connection.missed('not there', 'unreachable', connection.begin())
    const others = setInterval(() => {
      now += 1000
      connection.mayTry()
    }, 1)
    now = 1000
    connection.mayTry()
    const attempt = async () => expect.fail('it was never its turn')
    const patience = { milliseconds: 60_000, whileAwayMilliseconds: 10_000 }
    const error: unknown = await persistently(attempt, {
      connection,
      patience,
      lost: () => {},
    }).catch((caught: unknown) => caught)
    clearInterval(others)
    expect(error).to.have.property('message', 'gave up after 60 s: not there')
  })

  describe('that asks to come again later (Retry-After)', () => {
    const busy = (seconds: number) => {
      const headers = { 'retry-after': String(seconds) }
      return new Busy({ status: 503, headers, body: Buffer.alloc(0) })
    }
    const patience = { milliseconds: 6_000, whileAwayMilliseconds: 6_000 }

    it('is over at once where that is too late', async () => {
      let now = 0
      const connection = new Connection(() => now)
      let tries = 0
      const attempt = async (): Promise<never> => {
        tries += 1
        now += 1_000
        throw busy(7)
      }
      const error: unknown = await persistently(attempt, {
        connection,
        patience,
        lost: () => {},
      }).catch((caught: unknown) => caught)
      expect(error).to.have.property('code', 'EIO')
      expect(tries).to.equal(1)
    })

    it('is ten seconds at most', async () => {
      const connection = new Connection(() => 0)
      const program = new AbortController()
      const attempt = async (): Promise<never> => {
        setImmediate(() => program.abort())
        throw busy(3_600)
      }
      const error: unknown = await persistently(attempt, {
        connection,
        patience: { milliseconds: 10_001, whileAwayMilliseconds: 10_001 },
        signal: program.signal,
        lost: () => {},
      }).catch((caught: unknown) => caught)
      expect(error).to.have.property('code', 'EINTR')
    })
  })
})
