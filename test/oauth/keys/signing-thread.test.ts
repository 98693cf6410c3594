import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { INPUT_MAX, signingThread } from '../../../oauth/keys/signing-thread.js'
import { root, run } from '../../support/process.js'

const dsaEncoding = 'ieee-p1363'
const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** Of each thread by its number, in nanoseconds (Linux: Documentation/scheduler/sched-stats.rst). */
function processorTimes(): Map<number, number> {
  const threads = readdirSync('/proc/self/task').map(Number)
  return new Map(
    threads.map((id) => {
      const [nanoseconds] = readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8').split(' ')
      return [id, Number(nanoseconds)]
    }),
  )
}

function isSignedBy(key: KeyObject, jws: string): boolean {
  const dot = jws.lastIndexOf('.')
  const signature = Buffer.from(jws.slice(dot + 1), 'base64url')
  return verify('sha256', Buffer.from(jws.slice(0, dot)), { key, dsaEncoding }, signature)
}

describe('the thread that signs', function () {
  this.timeout(60_000)

  it('gives everybody their own JWS, signed by the key they named', async () => {
    const thread = signingThread()
    const keys = [keyPair(), keyPair()]
    keys.forEach(({ privateKey }, index) => {
      thread.keep(`key ${index}`, { key: privateKey, dsaEncoding })
    })
    const payloads = Array.from({ length: 40 }, (_, n) => `payload ${n}, “ünïcödé”. And a dot.`)
    const signed = await Promise.all(
      payloads.map((payload, n) => thread.sign(`key ${n % 2}`, `header${n}`, payload)),
    )
    signed.forEach((jws, n) => {
      const [header = '', payload = '', ...rest] = jws.split('.')
      expect([header, rest.length]).to.deep.equal([`header${n}`, 1])
      expect(Buffer.from(payload, 'base64url').toString()).to.equal(payloads[n])
      for (const [index, { publicKey }] of keys.entries()) {
        expect(isSignedBy(publicKey, jws), `payload ${n}, key ${index}`).to.equal(index === n % 2)
      }
    })
  })

  it('makes as many as are wanted at one time, and tells of the first before the last', async () => {
    const thread = signingThread()
    thread.keep('key', { key: keyPair().privateKey, dsaEncoding })
    const payloads = Array.from({ length: 1000 }, (_, n) => `${n}`)
    let told = 0
    const jwss = payloads.map(async (payload) => {
      const jws = await thread.sign('key', 'h', payload)
      told++
      return jws
    })
    await jwss[0]
    // What was told of together goes on within a few microtasks.
    for (let task = 0; task < 10; task++) await undefined
    expect(told).to.be.lessThan(payloads.length)
    const signed = await Promise.all(jwss)
    const made = signed.map((jws) => Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString())
    expect(made).to.deep.equal(payloads)
  })

  it('does not make them all alone while the event loop waits for it, on Linux', async function () {
    if (process.platform !== 'linux') this.skip()
    const thread = signingThread()
    const { privateKey, publicKey } = keyPair()
    thread.keep('key', { key: privateKey, dsaEncoding })
    const make = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, n) => thread.sign('key', 'h', `${n}`)))
    await make(500)
    const before = processorTimes()
    const signed = await make(3000)
    const after = processorTimes()
    const used = new Map([...after].map(([id, time]) => [id, time - (before.get(id) ?? 0)]))
    const own = used.get(process.pid) ?? 0 // numbers begin anew: it need not be the least
    used.delete(process.pid)
    // What is not signing, all of it here, takes half as long as signing does.
    expect(own / Math.max(...used.values()), 'of the event loop to the thread').to.be.above(0.75)
    expect(signed.every((jws) => isSignedBy(publicKey, jws))).to.equal(true)
  })

  it('signs by the key that was kept last under a name', async () => {
    const thread = signingThread()
    for (let n = 0; n < 3; n++) {
      const { privateKey, publicKey } = keyPair()
      thread.keep('same', { key: privateKey, dsaEncoding })
      expect(isSignedBy(publicKey, await thread.sign('same', 'header', `${n}`))).to.equal(true)
    }
  })

  it('takes what has the greatest length in the widest characters, and nothing longer', async () => {
    const thread = signingThread()
    const { privateKey, publicKey } = keyPair()
    thread.keep('k', { key: privateKey, dsaEncoding })
    const longest = '語'.repeat(INPUT_MAX - 2)
    const [one = '', other = ''] = await Promise.all([
      thread.sign('k', 'h', longest),
      thread.sign('k', 'h', 'beside it'),
    ])
    expect(Buffer.from(one.split('.')[1] ?? '', 'base64url').toString()).to.equal(longest)
    expect([one, other].map((jws) => isSignedBy(publicKey, jws))).to.deep.equal([true, true])
    const refused = await thread.sign('k', 'h', `${longest}.`).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(RangeError)
  })

  it('lets a program end that has no more to do', async () => {
    const code = `
      import { generateKeyPairSync } from 'node:crypto'
      import { signingThread } from './oauth/keys/signing-thread.ts'
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      signingThread().keep('key', { key: privateKey, dsaEncoding: '${dsaEncoding}' })
      process.stdout.write(await signingThread().sign('key', 'header', 'payload'))`
    const parameters = ['--import', 'tsx', '--input-type=module', '--eval', code]
    const printed = await run(process.execPath, parameters, { cwd: root })
    expect(printed).to.match(/^header\./)
  })

  it('fails whoever waits when it ends, and another takes its place', async () => {
    const thread = signingThread()
    const outcomes = await Promise.allSettled([
      thread.sign('unknown', 'header', 'a'),
      thread.sign('unknown', 'header', 'b'),
    ])
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    const next = signingThread()
    expect(next).to.not.equal(thread)
    next.keep('key', { key: keyPair().privateKey, dsaEncoding })
    expect(await next.sign('key', 'header', 'c')).to.match(/^header\.Yw\.[A-Za-z0-9_-]{86}$/)
  })
})
