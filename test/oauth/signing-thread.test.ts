import { generateKeyPairSync, verify } from 'node:crypto'
import { expect } from 'chai'
import { signingThread } from '../../oauth/signing-thread.js'

const dsaEncoding = 'ieee-p1363'
const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

describe('the thread that signs', () => {
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
      const [header = '', payload = '', signature = '', ...more] = jws.split('.')
      expect([header, more]).to.deep.equal([`header${n}`, []])
      expect(Buffer.from(payload, 'base64url').toString()).to.equal(payloads[n])
      for (const [index, { publicKey }] of keys.entries()) {
        const isRight = verify(
          'sha256',
          Buffer.from(`${header}.${payload}`),
          { key: publicKey, dsaEncoding },
          Buffer.from(signature, 'base64url'),
        )
        expect(isRight, `payload ${n}, key ${index}`).to.equal(index === n % 2)
      }
    })
  })

  it('tells of the first before it has made them all', async () => {
    const thread = signingThread()
    thread.keep('key', { key: keyPair().privateKey, dsaEncoding })
    let told = 0
    const signed = Array.from({ length: 64 }, async (_, n) => {
      await thread.sign('key', 'header', `payload ${n}`)
      told++
    })
    await signed[0]
    // What comes in one message is told of within a few microtasks.
    for (let task = 0; task < 10; task++) await undefined
    expect(told).to.be.lessThan(64)
    await Promise.all(signed)
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
