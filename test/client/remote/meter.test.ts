import { expect } from 'chai'
import { Progress } from '../../../client/commands/progress.js'
import { Meter } from '../../../client/remote/meter.js'

describe('the meter of requests', () => {
  let now = 0
  let meter: Meter
  beforeEach(() => {
    now = 0
    meter = new Meter(() => now)
  })
  const ask = (milliseconds: number): Promise<void> =>
    meter.timed(async () => {
      now += milliseconds
    })

  it('knows nothing of latencies while nothing was answered', () => {
    expect(meter.traffic).to.deep.equal({ perSecond: 0 })
  })

  it('tells the median and the 99th percentile within a fifth', async () => {
    for (let count = 0; count < 97; count++) await ask(2)
    for (let count = 0; count < 3; count++) await ask(300)
    const { medianMilliseconds, p99Milliseconds } = meter.traffic
    expect(medianMilliseconds).to.be.within(1.6, 2.4)
    expect(p99Milliseconds).to.be.within(240, 360)
  })

  it('tells the rate of the last ten seconds, and forgets what is older than a minute', async () => {
    for (let count = 0; count < 50; count++) await ask(1)
    now = 5_000
    expect(meter.traffic.perSecond).to.equal(5)
    now = 20_000
    expect(meter.traffic.perSecond).to.equal(0)
    expect(meter.traffic).to.have.property('medianMilliseconds')
    now = 61_000
    expect(meter.traffic).to.deep.equal({ perSecond: 0 })
    expect(meter.counts).to.deep.equal({ sent: 50, failed: 0 })
  })

  it('counts what got no answer as failed', async () => {
    const failing = meter.timed(() => Promise.reject(new Error('lost')))
    expect(await failing.catch((error: Error) => error.message)).to.equal('lost')
    expect(meter.counts).to.deep.equal({ sent: 1, failed: 1 })
  })

  it('does not count as failed what was given up', async () => {
    const given = AbortSignal.abort()
    await meter.timed(() => Promise.reject(given.reason), given).catch(() => {})
    expect(meter.counts).to.deep.equal({ sent: 1, failed: 0 })
  })
})

describe('the progress of unmounting', () => {
  it('is measured by the most that there was to send', () => {
    const progress = new Progress()
    expect(progress.line({ bytes: 4096, files: 2 })).to.match(
      /^\[\.{30}\] {3}0 %.*4\.0 KiB in 2 files$/,
    )
    expect(progress.line({ bytes: 1024, files: 1 })).to.match(
      /^\[#{22}\.{8}\] {2}75 %.* in 1 file$/,
    )
    expect(progress.line({ bytes: 0, files: 0 })).to.match(/^\[#{30}\] 100 %/)
  })
})
