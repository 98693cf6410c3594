import { expect } from 'chai'
import { ExchangeError } from '../../../client/http/exchange.js'
import { Pauses } from '../../../client/http/pauses.js'
import { changeStream } from '../../../client/remote/change-stream.js'
import type { RemoteNews } from '../../../client/remote/remote-files.js'

/** What one server after another tells, of which each hangs up in the end. */
async function told(...servers: AsyncIterable<Buffer>[]) {
  const end = new AbortController()
  const pauses = new Pauses()
  const from: (string | undefined)[] = []
  const open = async (headers: Readonly<Record<string, string>>) => {
    from.push(headers['Last-Event-ID'])
    const answer = servers.shift()
    if (servers.length === 0) end.abort()
    if (answer === undefined) throw new ExchangeError('unreachable', 'that was all')
    return { write: () => {}, end: () => {}, destroy: () => {}, answer }
  }
  const server = { begin: () => 1, reached: () => {}, missed: () => {} }
  const news: RemoteNews[] = []
  for await (const one of changeStream(open, end.signal, server, pauses)) {
    news.push(one)
    if (one.kind === 'lost') setImmediate(() => pauses.end())
  }
  return { news: news.map(({ kind }) => kind), from }
}

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

describe('a stream of changes that makes no sense', () => {
  async function* sent(...pieces: string[]): AsyncGenerator<Buffer> {
    yield Buffer.from('event: ready\ndata: {"newest":3}\n\n')
    for (const piece of pieces) yield Buffer.from(piece)
  }

  it('goes on behind a change that cannot be read, which may have been any', async () => {
    const broken = 'id: 4\nevent: change\ndata: {"seq":4,"ino":5,"kind":"make"}\n\n'
    const whole = 'id: 5\nevent: change\ndata: {"seq":5,"ino":5,"kind":"content"}\n\n'
    const { news, from } = await told(sent(broken, whole), sent())
    expect(news).to.deep.equal([
      ...['connected', 'reset', 'change', 'lost'],
      ...['connected', 'lost'],
    ])
    expect(from).to.deep.equal([undefined, '5'])
  })

  it('is given up where an event has no end, and opened again where it was', async () => {
    let lines = 0
    async function* endless(): AsyncGenerator<Buffer> {
      yield* sent('id: 9\nevent: told\ndata: {"newest":9}\n\n')
      for (; lines < 64; lines++) yield Buffer.from(`data: ${'x'.repeat(65_536)}\n`)
    }
    const { news, from } = await told(endless(), sent())
    expect(lines).to.be.below(20)
    expect(news).to.deep.equal(['connected', 'told', 'lost', 'connected', 'lost'])
    expect(from).to.deep.equal([undefined, '9'])
  })

  it('goes on from no place that is none', async () => {
    const event = 'event: told\ndata: {"newest":9}\n\n'
    const { from } = await told(sent(`id: ${'x'.repeat(100_000)}\n${event}`), sent())
    expect(from).to.deep.equal([undefined, '3'])
  })
})

describe('a stream of changes that comes back', () => {
  async function* ready(run?: string): AsyncGenerator<Buffer> {
    yield Buffer.from(`event: ready\ndata: ${JSON.stringify({ newest: 3, run })}\n\n`)
  }

  it('begins anew where the server did, which may go on from an earlier state of its disk', async () => {
    const { news } = await told(ready('a'), ready('a'), ready('b'), ready('b'))
    expect(news).to.deep.equal([
      ...['connected', 'lost', 'connected', 'lost'],
      ...['reset', 'connected', 'lost', 'connected', 'lost'],
    ])
  })

  it('goes on where an earlier version of the server does not say so', async () => {
    const { news } = await told(ready(), ready(), ready('a'))
    expect(news).to.not.include('reset')
  })
})
