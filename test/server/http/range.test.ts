import { expect } from 'chai'
import { parseRange } from '../../../server/http/range.js'

describe('parseRange (RFC 9110 section 14)', () => {
  const parts = (...ranges: [number, number][]) => ({
    kind: 'parts',
    parts: ranges.map(([first, last]) => ({ first, last })),
  })
  const whole = { kind: 'whole' }

  const satisfiable: [field: string | undefined, size: number, expected: object][] = [
    [undefined, 10, whole],
    ['bytes=0-0', 10, parts([0, 0])],
    ['bytes=0-9', 10, parts([0, 9])],
    ['bytes=0-', 10, parts([0, 9])],
    ['bytes=9-', 10, parts([9, 9])],
    ['bytes=3-100', 10, parts([3, 9])],
    ['bytes=-1', 10, parts([9, 9])],
    ['bytes=-100', 10, parts([0, 9])],
    ['BYTES=1-2', 10, parts([1, 2])],
    ['bytes=0-0,2-3', 10, parts([0, 0], [2, 3])],
    ['bytes= 0-0 ,\t2-3, ,', 10, parts([0, 0], [2, 3])],
    ['bytes=0-0,50-60', 10, parts([0, 0])],
    ['bytes=4294967296-', 4294967298, parts([4294967296, 4294967297])],
    [`bytes=0-${'9'.repeat(400)}`, 10, parts([0, 9])],
    // a unit nobody knows is ignored (section 14.2)
    ['lines=1-2', 10, whole],
    // a suffix of an empty content is satisfiable, and all of it (section 14.1.2)
    ['bytes=-5', 0, whole],
  ]
  for (const [field, size, expected] of satisfiable) {
    it(`reads "${String(field).slice(0, 40)}" of ${size} bytes`, () => {
      expect(parseRange(field, size)).to.deep.equal(expected)
    })
  }

  const unsatisfiable: [field: string, size: number][] = [
    ['bytes=10-', 10],
    ['bytes=10-20', 10],
    [`bytes=${'9'.repeat(400)}-`, 10],
    ['bytes=-0', 10],
    ['bytes=0-', 0],
    ['bytes=0-0', 0],
    ['bytes=5-4', 10],
    ['bytes=', 10],
    ['bytes=,', 10],
    ['bytes=-', 10],
    ['bytes=a-b', 10],
    ['bytes=1', 10],
    ['bytes=0-1;2-3', 10],
    ['bytes=+1-2', 10],
    ['bytes=1.0-2', 10],
    ['bytes=0x1-2', 10],
    ['bytes', 10],
    ['0-5', 10],
    ['bytes 0-5', 10],
    // too many, too much overlap (section 14.2)
    [`bytes=${Array.from({ length: 101 }, (_, i) => `${2 * i}-${2 * i}`).join(',')}`, 1000],
    [`bytes=${'0-0,'.repeat(10_000)}`, 10],
    ['bytes=0-9,0-9,0-9,0-9', 10],
  ]
  for (const [field, size] of unsatisfiable) {
    it(`refuses "${field.slice(0, 40)}" of ${size} bytes`, () => {
      expect(parseRange(field, size).kind).to.equal('unsatisfiable')
    })
  }
})
