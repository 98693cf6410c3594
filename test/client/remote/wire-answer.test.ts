import { expect } from 'chai'
import { problem, refused } from '../../../client/remote/wire-answer.js'

const PROBLEM = { 'content-type': 'application/problem+json' }

describe('the error of an answer (RFC 9457)', () => {
  const cases: [what: string, status: number, body: string, code: string][] = [
    ['the code of a problem document', 409, '{"code":"EEXIST","detail":"it is there"}', 'EEXIST'],
    ['the status of an answer to HEAD, which has no content', 404, '', 'ENOENT'],
    ['the status where the code is none of ours', 404, '{"code":"EWHATEVER"}', 'ENOENT'],
    ['the status where the code is what every object has', 404, '{"code":"constructor"}', 'ENOENT'],
    ['EIO for a status that means nothing here', 418, '', 'EIO'],
  ]
  for (const [what, status, body, code] of cases) {
    it(`is ${what}`, () => {
      expect(problem({ status, headers: PROBLEM, body: Buffer.from(body) }).code).to.equal(code)
    })
  }
})

describe('what an operation of a channel is refused with', () => {
  for (const code of ['EWHATEVER', 'constructor', '__proto__', 5, undefined]) {
    it(`is EIO where the code is ${code}`, () => {
      expect(refused({ code, detail: 'why' }).code).to.equal('EIO')
    })
  }

  it('says no more than fits into a log', () => {
    expect(refused({ code: 'EIO', detail: 'x'.repeat(1 << 20) }).message).to.have.length(1_000)
  })
})
