import { expect } from 'chai'
import { parseUserCode } from '../../oauth/authorization/user-code.js'
import { OAuthError } from '../../oauth/errors.js'
import { parseFormBody, parseJsonBody } from '../../oauth/http/body.js'
import { parseForm } from '../../oauth/http/parameters.js'
import { parseCompactJws } from '../../oauth/jose/compact-jws.js'
import { strictObject } from '../../oauth/jose/strict-json.js'
import { parseScope, scopeWithin } from '../../oauth/tokens/scope.js'

function errorOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof OAuthError ? error.error : String(error)
  }
}

describe('parseForm (RFC 6749 appendix B)', () => {
  it('reads "+" as a space and percent-encoded UTF-8', () => {
    expect(parseForm('a=b+c&d=%2B%C3%A9&e').pairs).to.deep.equal([
      ['a', 'b c'],
      ['d', '+é'],
    ])
  })
  for (const text of ['a=%ff', 'a=%zz', 'a=%', '%=a', `${'a&'.repeat(101)}`]) {
    it(`refuses ${text.slice(0, 10)}`, () => {
      expect(errorOf(() => parseForm(text))).to.equal('invalid_request')
    })
  }
  it('refuses repeated parameters, but for resource', () => {
    expect(errorOf(() => parseForm('a=1&a=2').rejectRepeated())).to.equal('invalid_request')
    expect(errorOf(() => parseForm('a=1&a=2').optional('a'))).to.equal('invalid_request')
    expect(errorOf(() => parseForm('a=1&a=').rejectRepeated())).to.equal(undefined)
    expect(errorOf(() => parseForm('resource=1&resource=2').rejectRepeated())).to.equal(undefined)
  })
})

describe('bodies', () => {
  const form = 'application/x-www-form-urlencoded'
  const cases: [type: string | undefined, body: string, error: string | undefined][] = [
    [form, 'a=1', undefined],
    [`${form};charset=UTF-8`, 'a=1', undefined],
    [`${form}; charset="utf-8"`, 'a=1', undefined],
    [`${form} ;\tCharset=utf-8`, 'a=1', undefined],
    [`${form};`, 'a=1', undefined],
    [`${form}; charset=latin1`, 'a=1', 'invalid_request'],
    ['application/json', '{}', 'invalid_request'],
    [undefined, 'a=1', 'invalid_request'],
    [undefined, '', undefined],
  ]
  for (const [type, body, error] of cases) {
    it(`${error === undefined ? 'takes' : 'refuses'} a form of type ${type}`, () => {
      expect(errorOf(() => parseFormBody(type, Buffer.from(body)))).to.equal(error)
    })
  }
  it('refuses JSON with repeated members or of another type', () => {
    expect(parseJsonBody('application/json', Buffer.from('{"a":1}'))).to.deep.equal({ a: 1 })
    for (const body of ['{"a":1,"a":2}', '[]', 'x', '']) {
      expect(errorOf(() => parseJsonBody('application/json', Buffer.from(body)))).to.equal(
        'invalid_request',
      )
    }
    expect(errorOf(() => parseJsonBody(form, Buffer.from('{}')))).to.equal('invalid_request')
  })
})

describe('strictObject (RFC 7515 section 4)', () => {
  const cases: [text: string, isTaken: boolean][] = [
    ['{}', true],
    ['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', true],
    ['{"a":"{\\"a\\":1,\\"a\\":2}"}', true],
    ['{"a":1,"b":":","c":"a"}', true],
    [`{"a":${'['.repeat(31)}${']'.repeat(31)}}`, true],
    [`{"a":${'['.repeat(32)}${']'.repeat(32)}}`, false],
    ['{"a":1,"a":2}', false],
    ['{"a":1,"\\u0061":2}', false],
    ['{"x":[{"a":1,"a":1}]}', false],
    ['[]', false],
    ['null', false],
    ['{"a":1', false],
  ]
  for (const [text, isTaken] of cases) {
    it(`${isTaken ? 'takes' : 'refuses'} ${text}`, () => {
      expect(strictObject(text) !== undefined).to.equal(isTaken)
    })
  }
})

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

describe('scopes (RFC 6749 section 3.3)', () => {
  it('reads what the grammar allows, each once', () => {
    expect(parseScope('a b a !#[]~')).to.deep.equal(['a', 'b', '!#[]~'])
  })
  for (const scope of ['', ' a', 'a ', 'a  b', 'a"', 'a\\', 'ä', 'a\tb']) {
    it(`refuses ${JSON.stringify(scope)}`, () => {
      expect(errorOf(() => parseScope(scope))).to.equal('invalid_scope')
    })
  }
  it('compares case-sensitively', () => {
    expect(errorOf(() => scopeWithin('A', 'a b'))).to.equal('invalid_scope')
    expect(scopeWithin('b', 'a b')).to.deep.equal(['b'])
  })
})

describe('parseUserCode (RFC 8628 section 6.1)', () => {
  const cases: [entered: string, letters: string | undefined][] = [
    ['WDJB-MJHT', 'WDJBMJHT'],
    [' wdjb mjht. ', 'WDJBMJHT'],
    ['WDJBMJH', undefined],
    ['WDJB-MJHTT', undefined],
    ['AEIO-UAEI', undefined],
    ['', undefined],
  ]
  for (const [entered, letters] of cases) {
    it(`reads ${JSON.stringify(entered)} as ${letters}`, () => {
      expect(parseUserCode(entered)).to.equal(letters)
    })
  }
})

describe('OAuthError', () => {
  it('keeps its description to the characters of RFC 6749 section 5.2', () => {
    expect(new OAuthError('invalid_scope', 'a "b" \\ é\n').message).to.equal("a 'b' ? ??")
  })
})
