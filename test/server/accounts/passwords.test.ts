import argon2 from 'argon2'
import { expect } from 'chai'
import { Busy, passwords } from '../../../server/accounts/passwords.js'

const cheap = { memoryCost: 1024, timeCost: 2, parallelism: 1 }

describe('passwords', () => {
  it('are hashed by argon2id with what OWASP asks for', async () => {
    expect(await passwords().hash('correct horse')).to.match(/^\$argon2id\$v=19\$m=19456,p=1,t=2\$/)
  })

  it('are right only when they are', async () => {
    const hashing = passwords({ parameters: cheap })
    const hash = await hashing.hash('correct horse')
    expect(await hashing.check(hash, 'correct horse')).to.deep.equal({ kind: 'right' })
    expect(await hashing.check(hash, 'correct horsf')).to.deep.equal({ kind: 'wrong' })
  })

  it('mean the same however the letters were composed (RFC 8265)', async () => {
    const hashing = passwords({ parameters: cheap })
    const hash = await hashing.hash('caf\u00e9 au lait')
    expect(await hashing.check(hash, 'cafe\u0301 au lait')).to.deep.equal({ kind: 'right' })
  })

  it('are hashed again when the parameters have changed', async () => {
    const hash = await passwords({ parameters: cheap }).hash('correct horse')
    const stronger = passwords({ parameters: { ...cheap, memoryCost: 2048 } })
    const check = await stronger.check(hash, 'correct horse')
    expect(check)
      .to.have.property('rehashed')
      .that.matches(/m=2048/)
  })

  it('of nobody are wrong, after as much work', async () => {
    const hashing = passwords({ parameters: { ...cheap, memoryCost: 16_384 } })
    const hash = await hashing.hash('correct horse')
    await hashing.check(undefined, 'x')
    // The processor's time, of all threads: what else runs on the machine makes the other longer.
    const work = async (stored: string | undefined) => {
      const before = process.cpuUsage()
      for (let round = 0; round < 8; round++) await hashing.check(stored, 'wrong')
      return process.cpuUsage(before).user
    }
    const ratio = (await work(undefined)) / (await work(hash))
    expect(ratio).to.be.within(0.5, 2)
    expect(await hashing.check(undefined, 'wrong')).to.deep.equal({ kind: 'wrong' })
  })

  it('of a crowd wait in a line of bounded length, and the rest is refused at once', async () => {
    const hashing = passwords({ parameters: cheap, concurrency: 1, waiting: 3 })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => hashing.hash('correct horse')),
    )
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused).to.have.length(6)
    for (const outcome of refused) expect(outcome).to.have.property('reason').instanceOf(Busy)
    expect(await argon2.verify(await hashing.hash('afterwards'), 'afterwards')).to.equal(true)
  })
})
