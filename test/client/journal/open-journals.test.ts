import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { areJournalsLeft } from '../../../client/journal/open-journals.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

describe('whether journals of an account are left', () => {
  let directory: string
  beforeEach(async () => {
    directory = await temporaryDirectory('journals')
  })
  afterEach(() => removeDirectory(directory))

  it('none where there has never been one, or nothing of it is left', async () => {
    expect(await areJournalsLeft(join(directory, 'never'))).to.equal(false)
    await mkdir(join(directory, '1'))
    await writeFile(join(directory, '1', 'lock'), '')
    expect(await areJournalsLeft(directory)).to.equal(false)
  })

  it('some where there is a segment', async () => {
    await mkdir(join(directory, '1'))
    await writeFile(join(directory, '1', '000001.journal'), '')
    expect(await areJournalsLeft(directory)).to.equal(true)
  })

  it('some, perhaps, where it cannot be seen: nobody is to get locks before what was written under them', async () => {
    await writeFile(join(directory, 'file'), '')
    expect(await areJournalsLeft(join(directory, 'file'))).to.equal(true)
  })
})
