import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { checkedAttributes, problem } from '../../client/wire-answer.js'
import type { WireAttributes } from '../../server/wire.js'

const PROBLEM = { 'content-type': 'application/problem+json' }

describe('the error of an answer (RFC 9457)', () => {
  const cases: [what: string, status: number, body: string, code: string][] = [
    ['the code of a problem document', 409, '{"code":"EEXIST","detail":"it is there"}', 'EEXIST'],
    ['the status of an answer to HEAD, which has no content', 404, '', 'ENOENT'],
    ['the status where the code is none of ours', 404, '{"code":"EWHATEVER"}', 'ENOENT'],
    ['EIO for a status that means nothing here', 418, '', 'EIO'],
  ]
  for (const [what, status, body, code] of cases) {
    it(`is ${what}`, () => {
      expect(problem({ status, headers: PROBLEM, body: Buffer.from(body) }).code).to.equal(code)
    })
  }
})

describe('attributes in an answer', () => {
  const good: WireAttributes = {
    ...{ ino: 5, type: 'file', mode: 0o644, uid: 0, gid: 0, nlink: 1, size: 7, rdev: 0 },
    ...{ atime: '-5', mtime: '0', ctime: '1795923291920000000', crtime: '1' },
    ...{ version: 1, generation: 1, etag: '"5-1"', modified_time: '2026-11-29T03:34:51.920Z' },
  }

  it('are taken as they are, with and without what is only sometimes there', () => {
    const link = { ...good, type: 'symlink', target: '' }
    for (const one of [good, { ...good, allocated: 0 }, link]) {
      expect(checkedAttributes(one)).to.equal(one)
    }
  })

  const counts = ['ino', 'mode', 'uid', 'gid', 'nlink', 'size', 'rdev', 'version', 'generation']
  const wrong: [field: string, value: unknown][] = [
    ...counts.flatMap((name): [string, unknown][] =>
      [undefined, -1, 0.5, 2 ** 53, '1', null].map((value) => [name, value]),
    ),
    ...['atime', 'mtime', 'ctime', 'crtime'].flatMap((name): [string, unknown][] =>
      [undefined, 5, '', '1.5', 'x', '12345678901234567890'].map((value) => [name, value]),
    ),
    ['allocated', -1],
    ['allocated', null],
    ['etag', undefined],
    ['etag', 5],
    ['type', undefined],
    ['type', 'door'],
    ['type', 'symlink'],
    ['target', 'a file has none'],
  ]
  for (const [field, value] of wrong) {
    it(`are no attributes where ${field} is ${JSON.stringify(value)}`, () => {
      expect(() => checkedAttributes({ ...good, [field]: value })).to.throw(/makes no sense/)
    })
  }

  it('are no attributes where there is no object', () => {
    for (const value of [undefined, null, [], 'x', 5]) {
      expect(() => checkedAttributes(value)).to.throw(/makes no sense/)
    }
  })

  it('have equal times once: those of many files are remembered', () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const FILES = 20_000
    /** What each of them takes. @param times how many of its four times are the same */
    const bytesEach = (times: 1 | 4): number => {
      const answers = Array.from({ length: FILES }, (_, index) => {
        const time = (other: number) => `${1795923291920000000n + BigInt(index * 4 + other)}`
        const [atime, mtime, ctime, crtime] = [0, 1, 2, 3].map((n) => time(times === 1 ? n : 0))
        return JSON.stringify({ ...good, atime, mtime, ctime, crtime })
      })
      collect()
      const before = process.memoryUsage().heapUsed
      const kept = answers.map((answer) => checkedAttributes(JSON.parse(answer)))
      collect()
      return (process.memoryUsage().heapUsed - before) / kept.length
    }
    /** V8 has two words before the characters of a string. */
    const bytes = 16 + '1795923291920000000'.length
    expect(bytesEach(1) - bytesEach(4)).to.be.above(3 * bytes)
  })
})
