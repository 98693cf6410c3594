import { expect } from 'chai'
import { parseCompactJws } from '../../../oauth/jose/compact-jws.js'

describe('parseCompactJws (RFC 7515 section 7.1)', () => {
  const part = (text: string) => Buffer.from(text).toString('base64url')
  const good = `${part('{"alg":"ES256"}')}.${part('{"a":1}')}.${part('signature')}`
  it('takes a JWT apart', () => {
    const { header, claims } = parseCompactJws(good) ?? {}
    expect([header, claims]).to.deep.equal([{ alg: 'ES256' }, { a: 1 }])
  })
  const [head, body, signature] = good.split('.')
  for (const token of [
    '',
    '..',
    `${head}.${body}`,
    `${good}.`,
    `${good}.x`,
    `${good}=`,
    `${head}.${body}.`,
    ` ${good}`,
    `${part('{"crit":["x"]}')}.${body}.${signature}`,
    `${part('[]')}.${body}.${signature}`,
    `${part('{"a":1}').replace(/.$/, '1')}.${body}.${signature}`,
    `${part('\ufeff{}')}.${body}.${signature}`,
    `${head}.${part(JSON.stringify({ a: 'x'.repeat(17_000) }))}.${signature}`,
  ]) {
    it(`refuses ${JSON.stringify(token.slice(0, 40))}`, () => {
      expect(parseCompactJws(token)).to.equal(undefined)
    })
  }
})
