import { expect } from 'chai'
import { parseFormBody, parseJsonBody, readBody } from '../../../oauth/http/body.js'
import { withWholeRequest } from '../../support/whole-request.js'
import { errorCodeOf } from '../error-code.js'

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
      expect(errorCodeOf(() => parseFormBody(type, Buffer.from(body)))).to.equal(error)
    })
  }
  for (const pieces of [[], ['a=1'], ['a=', '1&b', '=2']]) {
    it(`come whole where all is here, in ${pieces.length} pieces`, async () => {
      await withWholeRequest(pieces, async (request) => {
        expect((await readBody(request)).toString()).to.equal(pieces.join(''))
      })
    })
  }

  it('refuses JSON with repeated members or of another type', () => {
    expect(parseJsonBody('application/json', Buffer.from('{"a":1}'))).to.deep.equal({ a: 1 })
    for (const body of ['{"a":1,"a":2}', '[]', 'x', '']) {
      expect(errorCodeOf(() => parseJsonBody('application/json', Buffer.from(body)))).to.equal(
        'invalid_request',
      )
    }
    expect(errorCodeOf(() => parseJsonBody(form, Buffer.from('{}')))).to.equal('invalid_request')
  })
})
