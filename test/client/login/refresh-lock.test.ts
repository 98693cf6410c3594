import { existsSync } from 'node:fs'
import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { AccountDirectory } from '../../../client/login/account.js'
import { endedHolderRemoved } from '../../../client/login/lock-holder.js'
import { withRefreshLock } from '../../../client/login/refresh-lock.js'
import { type RunningProcess, thisProcess } from '../../../client/running-process.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

/** Higher than any that Linux gives out. */
const NOBODY = 2 ** 22 + 1
/** When a lock that is left there now will not look abandoned yet. */
const LATER = new Date(Date.now() + 86_400_000)

describe('the lock of an account whose holder was killed', function () {
  this.timeout(20_000)
  let config: string
  let account: AccountDirectory
  let here: RunningProcess

  beforeEach(async function () {
    if (process.platform !== 'linux') this.skip()
    config = await temporaryDirectory('refresh-lock')
    account = new AccountDirectory(config, new URL('https://files.example.org'))
    await mkdir(account.lockFile, { recursive: true })
    await utimes(account.lockFile, LATER, LATER)
    const found = await thisProcess(process.pid)
    if (found === undefined) throw new Error('this process cannot be told from others')
    here = found
  })
  afterEach(() => removeDirectory(config))

  async function left(change: Partial<RunningProcess>, lock?: string): Promise<void> {
    const { ino, birthtimeNs } = await stat(account.lockFile, { bigint: true })
    const holder = { lock: lock ?? `${ino}/${birthtimeNs}`, process: { ...here, ...change } }
    await writeFile(`${account.lockFile}.left`, JSON.stringify(holder))
  }

  it('is had by the next one at once, who leaves nothing', async () => {
    await left({ pid: NOBODY })
    const during = await withRefreshLock(account, async () => readdir(account.path))
    expect(during).to.have.length(2).and.not.include('refresh.lock.left')
    expect(await readdir(account.path)).to.deep.equal([])
  })

  it('is had by one after the other of those who wait', async () => {
    await left({ pid: NOBODY })
    let [inside, most] = [0, 0]
    const work = async () => {
      most = Math.max(most, ++inside)
      await new Promise(setImmediate)
      inside -= 1
    }
    await Promise.all(Array.from({ length: 8 }, () => withRefreshLock(account, work)))
    expect(most).to.equal(1)
  })

  const kept: [what: string, change: Partial<RunningProcess>, lock?: string][] = [
    ['lives', {}],
    ['may live on another machine', { pid: NOBODY, kernel: 'another' }],
    ['had an earlier lock', { pid: NOBODY }, '1/1'],
  ]
  for (const [what, change, lock] of kept) {
    it(`is left alone if the holder ${what}`, async () => {
      await left(change, lock)
      expect(await endedHolderRemoved(account.lockFile)).to.equal(false)
      expect(existsSync(account.lockFile)).to.equal(true)
    })
  }
})
