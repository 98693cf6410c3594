import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { isBackup } from '../../../server/storage/backup/set.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

describe('a database that cannot be opened', () => {
  let file: string
  beforeEach(async () => {
    file = join(await temporaryDirectory('open'), 'coffer.db')
  })
  afterEach(() => removeDirectory(join(file, '..')))

  it('is named, with what to do when it is damaged', () => {
    writeFileSync(file, 'no database, but as long as the head of one is at the least. '.repeat(9))
    expect(() => openDatabase(file))
      .to.throw(`cannot open ${file}: `)
      .with.property('message')
      .that.contains('restore')
    openDatabase(`${file}.2`).close()
    writeFileSync(`${file}.2`, Buffer.alloc(5000, 'x'), { flag: 'r+' })
    expect(() => openDatabase(`${file}.2`)).to.throw(`cannot open ${file}.2: `)
  })

  it('is named when it is not to be opened', () => {
    mkdirSync(file)
    for (const open of [openDatabase, isBackup]) {
      expect(() => open(file)).to.throw(`cannot open ${file}: `)
    }
  })
})
