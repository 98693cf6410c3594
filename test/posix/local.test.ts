import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { behavesLikePosix, posix } from './suite.js'

describe('the POSIX suite on a local directory (which proves the suite)', () => {
  let directory = ''
  before(async () => {
    directory = await temporaryDirectory('posix')
  })
  after(() => removeDirectory(directory))

  it('has 150 cases or more', () => {
    const cases = Object.values(posix).flatMap((topic) => Object.keys(topic))
    expect(cases).to.have.length.at.least(150)
  })

  behavesLikePosix(() => directory)
})
