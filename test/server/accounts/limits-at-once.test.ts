import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import type { OAuthError } from '../../../oauth/index.js'
import { type Limits, limits } from '../../../server/accounts/limits.js'
import { LimitStore } from '../../../server/database/accounts/limits.js'
import { openDatabase } from '../../../server/database/database.js'

describe('programs that come at the same time', () => {
  const audited: string[] = []
  let database: ReturnType<typeof openDatabase>
  let guard: Limits['clients']
  beforeEach(() => {
    audited.length = 0
    database = openDatabase(':memory:')
    guard = limits({
      store: (prefix) =>
        new LimitStore(
          database,
          prefix,
          () => new Date(),
          () => {},
        ),
      ...{ loginFailures: 3, tokenFailures: 3, unfinishedRequests: 3 },
      audit: ({ event }) => audited.push(event),
      subjectOf: () => undefined,
      knows: () => false,
    }).clients
  })
  afterEach(() => database.close())

  /** One that comes: whether it is refused, and how it ends. */
  function comes() {
    const request = { ip: '192.0.2.1', socket: {}, headers: {} }
    const response = Object.assign(new EventEmitter(), { locals: {}, writableEnded: true })
    let refusal: unknown
    guard(request as never, response as never, (error?: unknown) => {
      refusal = error
    })
    const ends = (statusCode: number) => Object.assign(response, { statusCode }).emit('close')
    return { retryAfter: (refusal as OAuthError | undefined)?.headers['Retry-After'], ends }
  }

  it('are asked to come again in a moment, where none of them has failed', () => {
    const first = [comes(), comes(), comes()]
    expect(first.map(({ retryAfter }) => retryAfter)).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ])
    const fourth = comes()
    expect(fourth.retryAfter).to.equal('1')
    fourth.ends(429)
    expect(audited).to.deep.equal([])
    for (const one of first) one.ends(200)
    expect(comes().retryAfter).to.equal(undefined)
  })

  it('are asked to come again when the failures of others are forgotten, where these are too many', () => {
    for (let count = 0; count < 3; count++) comes().ends(401)
    expect(Number(comes().retryAfter)).to.be.within(200, 300)
    expect(audited).to.deep.equal(['client.limited'])
  })
})
