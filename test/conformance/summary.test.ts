import { expect } from 'chai'
import { summary, type Tally } from './support/summary.js'

describe('the summary of the conformance suite', () => {
  const tally = (changes: Partial<Tally> = {}): Tally => ({
    proved: 0,
    failed: 0,
    outside: [],
    unable: [],
    ...changes,
  })

  it('is whole when all ran that can run on the target', () => {
    const { lines, isWhole } = summary(
      new Map([
        ['rfc7636', tally({ proved: 2 })],
        ['rfc6749', tally({ proved: 3, failed: 1, outside: ['rfc6749-4.1.2-1'] })],
      ]),
    )
    expect(isWhole).to.equal(true)
    expect(lines.slice(0, 4)).to.deep.equal([
      'rfc6749    3 passed, 1 failed, 1 skipped',
      'rfc7636    2 passed, 0 failed, 0 skipped',
      '',
      '5 of 7 rows proved, 1 failed.',
    ])
    expect(lines[4]).to.match(/^1 not run, because they reach into .*: rfc6749-4\.1\.2-1$/)
  })

  it('says loudly what did not run for want of clients', () => {
    const unable = [
      { id: 'rfc6749-6-3', missing: ['several'] },
      { id: 'rfc6749-6-4', missing: ['web'] },
    ]
    const { lines, isWhole } = summary(new Map([['rfc6749', tally({ unable })]]))
    expect(isWhole).to.equal(false)
    expect(lines.at(-1)).to.equal(
      '2 NOT RUN, because the target was given no client several, web: rfc6749-6-3, rfc6749-6-4',
    )
  })
})
