import { expect } from 'chai'
import { newsOf, positionOf } from '../../../client/remote/change-events.js'

const place = { directory: 1, name: 'a' }

describe('events of the stream of changes', () => {
  const event = (name: string, data: unknown) => {
    return {
      id: undefined,
      event: name,
      data: typeof data === 'string' ? data : JSON.stringify(data),
    }
  }
  const change = { seq: 7, at: 5, ino: 3 }

  for (const one of [
    { ...change, kind: 'make', place },
    { ...change, kind: 'remove', place, origin: 'x' },
    { ...change, kind: 'rename', from: place, to: place },
    { ...change, kind: 'rename', from: place, to: place, replaced: 4, exchanged: 5 },
    { ...change, kind: 'content' },
    { ...change, kind: 'attributes', place },
  ]) {
    it(`tell of a change: ${JSON.stringify(one)}`, () => {
      expect(newsOf(event('change', one))).to.deep.equal({ kind: 'change', change: one })
    })
  }

  const wrong: [what: string, change: unknown][] = [
    ['no object', 5],
    ['nothing', null],
    ['of no kind', change],
    ['of a kind that is not known', { ...change, kind: 'constructor' }],
    ['without a place', { ...change, kind: 'make' }],
    ['at a place that is none', { ...change, kind: 'make', place: 'x' }],
    ['of a name that is no text', { ...change, kind: 'make', place: { directory: 1, name: 7 } }],
    ['of a name that is none', { ...change, kind: 'make', place: { directory: 1, name: 'a/b' } }],
    ['in no directory', { ...change, kind: 'remove', place: { directory: 'x', name: 'a' } }],
    ['from nowhere', { ...change, kind: 'rename', to: place }],
    ['over what is none', { ...change, kind: 'rename', from: place, to: place, replaced: 'x' }],
    ['of no inode', { ...change, kind: 'content', ino: 'x' }],
    ['of less than an inode', { ...change, kind: 'content', ino: -5 }],
    ['of a number beyond all', { ...change, kind: 'content', seq: 1e300 }],
    ['without a number', { kind: 'content', ino: 5 }],
    ['with a number that is a text', { ...change, kind: 'content', seq: 'abc' }],
  ]
  for (const [what, one] of wrong) {
    it(`may have changed anything: ${what}`, () => {
      expect(newsOf(event('change', one))).to.deep.equal({ kind: 'reset' })
    })
  }

  const senseless: [name: string, data: unknown][] = [
    ['change', 'no JSON'],
    ['told', {}],
    ['told', { newest: 1e308 }],
    ['told', '{"newest":1e999}'],
    ['recall', { ino: '5' }],
    ['recall', { ino: -1 }],
    ['lock', { request: 5 }],
    ['lock', null],
  ]
  for (const [name, data] of senseless) {
    it(`make no sense: ${name} with ${JSON.stringify(data)}`, () => {
      expect(() => newsOf(event(name, data))).to.throw(/makes no sense/)
    })
  }

  it('of no name that is known here are nothing', () => {
    expect(newsOf(event('constructor', '{}'))).to.equal(undefined)
  })

  it('say by a number where to go on, and by nothing else', () => {
    expect(positionOf({ id: '12', data: '' })).to.equal('12')
    for (const id of [undefined, '', 'a\u4e2d', '1'.repeat(200), '-1']) {
      expect(positionOf({ id, data: '' })).to.equal(undefined)
    }
  })
})
