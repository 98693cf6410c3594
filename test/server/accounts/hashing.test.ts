import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { expect } from 'chai'
import { HashingProcess } from '../../../server/accounts/hashing.js'

const CHEAP = { memoryCost: 1024, timeCost: 2, parallelism: 1 }

describe('the process that hashes passwords', () => {
  let hashing: HashingProcess
  beforeEach(() => {
    hashing = new HashingProcess()
  })
  afterEach(() => hashing.close())

  it('hashes and verifies, at the lowest priority and without our environment', async () => {
    expect(hashing.pid).to.equal(undefined)
    const hash = await hashing.hash('correct horse', CHEAP)
    expect(await hashing.verify(hash, 'correct horse')).to.equal(true)
    expect(await hashing.verify(hash, 'another horse')).to.equal(false)
    const threads = readdirSync(`/proc/${hashing.pid}/task`)
    // Its own, and four of the pool that computes.
    expect(threads.length).to.be.at.least(5)
    for (const thread of threads) expect(getPriority(Number(thread))).to.equal(19)
    expect(getPriority()).to.be.below(19)
    expect(readFileSync(`/proc/${hashing.pid}/environ`, 'latin1')).not.to.include('PATH=')
  })

  it('does not answer for a hash that is none', async () => {
    const failed = await hashing.verify('none', 'x').then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failed).to.be.an('error')
  })

  it('may die at any moment: what was asked is answered, and the next question starts another', async () => {
    const hash = await hashing.hash('correct horse', CHEAP)
    const { pid = 0 } = hashing
    const asked = [hashing.verify(hash, 'correct horse'), hashing.verify(hash, 'wrong')]
    process.kill(pid, 'SIGKILL')
    expect(await Promise.all(asked)).to.deep.equal([true, false])
    expect(await hashing.verify(hash, 'correct horse')).to.equal(true)
  })

  it('is not needed once it was closed', async () => {
    const hash = await hashing.hash('correct horse', CHEAP)
    hashing.close()
    expect(await hashing.verify(hash, 'correct horse')).to.equal(true)
  })
})
