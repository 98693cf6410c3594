import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { checkedAttributes, checkedEntries } from '../../../client/remote/wire-attributes.js'
import type { WireAttributes } from '../../../server/wire/inodes.js'

const good: WireAttributes = {
  ...{ ino: 5, type: 'file', mode: 0o644, uid: 0, gid: 0, nlink: 1, size: 7, rdev: 0 },
  ...{ atime: '-5', mtime: '0', ctime: '1795923291920000000', crtime: '1' },
  ...{ version: 1, generation: 1, etag: '"5-1"', modified_time: '2026-11-29T03:34:51.920Z' },
}

describe('attributes in an answer', () => {
  it('are taken as they are, with and without what is only sometimes there', () => {
    const link = { ...good, type: 'symlink', target: 'x'.repeat(4095) }
    for (const one of [good, { ...good, allocated: 0, permissions: 3 }, link]) {
      expect(checkedAttributes(one)).to.deep.equal(one)
    }
  })

  it('bring nothing along that nobody asked for', () => {
    const more = { ...good, name: 'x', comment: 'y'.repeat(1 << 20) }
    expect(checkedAttributes(more)).to.deep.equal(good)
    const long = { ...good, modified_time: 'y'.repeat(1 << 20) }
    expect(checkedAttributes(long)).to.deep.equal({ ...good, modified_time: '' })
  })

  const counts = ['ino', 'mode', 'uid', 'gid', 'nlink', 'size', 'rdev', 'version', 'generation']
  const wrong: [field: string, value: unknown][] = [
    ...counts.flatMap((name): [string, unknown][] =>
      [undefined, -1, 0.5, 2 ** 53, '1', null].map((value) => [name, value]),
    ),
    ...['atime', 'mtime', 'ctime', 'crtime'].flatMap((name): [string, unknown][] =>
      [undefined, 5, '', '1.5', 'x', '12345678901234567890'].map((value) => [name, value]),
    ),
    ['ino', 0],
    ['mode', 0o10000],
    ...['uid', 'gid', 'nlink', 'rdev'].map((name): [string, unknown] => [name, 2 ** 32]),
    ['permissions', -1],
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

  it('are none where a text is longer than any that there is, or holds a NUL', () => {
    const link = { ...good, type: 'symlink', target: 'x' }
    for (const wrong of [
      { ...good, etag: 'x'.repeat(1 << 20) },
      { ...link, target: 'x'.repeat(4096) },
      { ...link, target: 'a\0b' },
    ]) {
      expect(() => checkedAttributes(wrong)).to.throw(/makes no sense/)
    }
  })

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

describe('names in a listing', () => {
  it('are taken with the attributes of what they name', () => {
    const entry = { ...good, name: 'a name' }
    expect(checkedEntries([entry])).to.deep.equal([entry])
  })

  for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256), 5, undefined]) {
    it(`are none where one is ${JSON.stringify(name)}`, () => {
      expect(() => checkedEntries([{ ...good, name }])).to.throw(/makes no sense/)
    })
  }

  for (const list of [undefined, 'abc', {}, [null], [5]]) {
    it(`are none where the list is ${JSON.stringify(list)}`, () => {
      expect(() => checkedEntries(list)).to.throw(/makes no sense/)
    })
  }
})
