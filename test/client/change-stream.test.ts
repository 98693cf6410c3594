import { expect } from 'chai'
import { changeStream } from '../../client/change-stream.js'
import { ExchangeError } from '../../client/exchange.js'
import { Pauses } from '../../client/pauses.js'

describe('the stream of changes, while it cannot be opened', () => {
  it('is tried again at once when there is reason to, however long the pause has become', async () => {
    const pauses = new Pauses()
    const end = new AbortController()
    let tries = 0
    const open = async (): Promise<never> => {
      tries += 1
      // By then it pauses.
      setImmediate(() => (tries === 20 ? end.abort() : pauses.end()))
      throw new ExchangeError('untrusted', 'another certificate')
    }
    const server = { begin: () => 1, reached: () => {}, missed: () => {} }
    const begun = performance.now()
    for await (const _ of changeStream(open, end.signal, server, pauses));
    expect(tries).to.equal(20)
    // Left alone the pauses take two minutes.
    expect(performance.now() - begun).to.be.below(5_000)
  })
})
