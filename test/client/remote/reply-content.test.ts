import { expect } from 'chai'
import { outcomes } from '../../../client/remote/removed-together.js'
import {
  bytesRead,
  copied,
  names,
  offset,
  page,
  readContents,
} from '../../../client/remote/reply-content.js'
import type { WireResult } from '../../../server/wire/operations.js'

/** What a server that is broken, or means harm, may answer. */
function reply(result: Record<string, unknown>, content = '') {
  const header: unknown = { outcome: 'done', ...result }
  return { result: header as WireResult, content: Buffer.from(content) }
}

describe('what an answer of a channel says', () => {
  const wrong: [what: string, read: () => unknown][] = [
    ['more bytes than were asked for', () => bytesRead(reply({}, 'abcd'), 3)],
    ['a page that is no list', () => page(reply({ entries: 'abc' }))],
    ['a page of nothing', () => page(reply({ entries: [null] }))],
    ['names that are none', () => names(reply({ names: [1, null] }))],
    ['names that are no list', () => names(reply({ names: 'abc' }))],
    ['an offset that is a text', () => offset(reply({ offset: '5' }))],
    ['an offset before the beginning', () => offset(reply({ offset: -5 }))],
    ['nothing of what was copied', () => copied(reply({}), 10)],
    ['more copied than was to be', () => copied(reply({ copied: 11 }), 10)],
    ['contents that are no list', () => readContents(reply({ contents: {} }))],
    ['removals that are no list', () => outcomes(reply({ removed: { length: 1 } }), 1)],
  ]
  for (const [what, read] of wrong) {
    it(`makes no sense: ${what}`, () => {
      expect(read).to.throw().with.property('code', 'EIO')
    })
  }

  it('leaves out the files that it says nothing of', () => {
    const contents = [null, 5, { code: 'ENOENT' }, { attributes: {}, bytes: -1 }]
    expect(readContents(reply({ contents }, 'abc'))).to.deep.equal(Array(4).fill(undefined))
  })
})
