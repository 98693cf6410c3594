import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { hasEnded, type RunningProcess, thisProcess } from '../../client/running-process.js'
import { isRunning } from '../support/is-running.js'
import { start } from '../support/process.js'
import { until } from '../support/until.js'

/** Higher than any that Linux gives out. */
const NOBODY = 2 ** 22 + 1

describe('a running process (man 5 proc_pid_stat)', () => {
  let here: RunningProcess

  before(async function () {
    if (process.platform !== 'linux') this.skip()
    const found = await thisProcess(process.pid)
    if (found === undefined) throw new Error('this process cannot be told from others')
    here = found
  })

  const ended = (change: Partial<RunningProcess>) =>
    hasEnded({ ...here, ...change }, here, isRunning)

  it('is known by the same again', async () => {
    expect(await thisProcess(process.pid)).to.deep.equal(here)
  })

  it('is not known where /proc shows other numbers than its own namespace', async () => {
    expect(await thisProcess(NOBODY)).to.equal(undefined)
  })

  const cases: [what: string, change: Partial<RunningProcess>, hasEnded: boolean][] = [
    ['lives', {}, false],
    ['is not there any more', { pid: NOBODY }, true],
    ['had the number before another one', { started: '1' }, true],
  ]
  for (const [what, change, expected] of cases) {
    it(`${expected ? 'has ended' : 'has not ended'} that ${what}`, async () => {
      expect(await ended(change)).to.equal(expected)
    })
  }

  it('has ended that was killed', async () => {
    const sleep = start('sleep', ['60'])
    const { pid } = sleep
    const started = await startOf(pid)
    expect(await ended({ pid, started })).to.equal(false)
    await sleep.stop('SIGKILL')
    expect(await ended({ pid, started })).to.equal(true)
  })

  it('has ended of which nobody has asked how', async () => {
    const parent = start('bash', ['-c', 'sleep 60 & echo "[$!]"; exec sleep 60'])
    const pid = Number((await parent.printed(/\[(\d+)\]/))[1])
    const started = await startOf(pid)
    expect(await ended({ pid, started })).to.equal(false)
    // The shell would still ask.
    await until('the shell has become another program', async () => {
      return (await readFile(`/proc/${parent.pid}/comm`, 'utf8')) === 'sleep\n'
    })
    process.kill(pid, 'SIGKILL')
    await until('it has ended', () => ended({ pid, started }))
    expect(isRunning(pid), 'its number is still taken').to.equal(true)
    await parent.stop()
  })

  it('may live wherever it cannot be known', async () => {
    const [boot = '', space = '', time = ''] = here.kernel.split(' ')
    const elsewhere: [what: string, kernel: string][] = [
      ['another machine, or before a restart', `${crypto.randomUUID()} ${space} ${time}`],
      ['another pid namespace', `${boot} pid:[1] ${time}`],
      ['another time namespace', `${boot} ${space} time:[1]`],
    ]
    for (const [what, kernel] of elsewhere) {
      expect(await ended({ kernel, pid: NOBODY }), what).to.equal(false)
    }
    const isHidden = await hasEnded({ ...here, pid: NOBODY }, here, () => true)
    expect(isHidden, '/proc does not show it').to.equal(false)
  })
})

async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
