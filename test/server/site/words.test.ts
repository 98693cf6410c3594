import { expect } from 'chai'
import { sentence } from '../../../server/site/words.js'

describe('what the pages say', () => {
  it('is a sentence also where it was said for a log', () => {
    expect(sentence('the disk is full')).to.equal('The disk is full.')
  })
})
