import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { isJournalLeft } from '../../../client/journal/open-journals.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

describe('whether a journal is left', () => {
  let directory: string
  beforeEach(async () => {
    directory = await temporaryDirectory('journals')
  })
  afterEach(() => removeDirectory(directory))

  it('none where there has never been one, or nothing of it is left', async () => {
    expect(await isJournalLeft(join(directory, 'never'))).to.equal(false)
    await writeFile(join(directory, 'lock'), '')
    expect(await isJournalLeft(directory)).to.equal(false)
  })

  it('it is where there is a segment', async () => {
    await writeFile(join(directory, '000001.journal'), '')
    expect(await isJournalLeft(directory)).to.equal(true)
  })

  it('perhaps, where it cannot be seen: nobody is to get locks before what was written under them', async () => {
    await writeFile(join(directory, 'file'), '')
    expect(await isJournalLeft(join(directory, 'file'))).to.equal(true)
  })
})
