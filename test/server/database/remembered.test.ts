import { join } from 'node:path'
import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { Remembered } from '../../../server/database/remembered.js'
import { temporaryDirectory } from '../../support/directory.js'

const temporaryDatabase = async () =>
  openDatabase(join(await temporaryDirectory('remembered'), 'db'))

describe('Remembered', () => {
  it('reads again only once something has changed, and keeps no more than so many', async () => {
    const database = await temporaryDatabase()
    const reads: string[] = []
    const remembered = new Remembered<number>(database, 'access', 2)
    const read = (key: string) => reads.push(key)
    for (const key of ['a', 'a', 'b', 'a']) remembered.get(key, read)
    expect(reads).to.deep.equal(['a', 'b'])
    remembered.get('c', read)
    remembered.get('a', read)
    expect(reads).to.deep.equal(['a', 'b', 'c', 'a'])
    database.exec("INSERT INTO revoked_tokens VALUES ('jti', 1)")
    remembered.get('a', read)
    expect(reads).to.have.length(5)
  })

  it('does not keep what was made up', async () => {
    const database = await temporaryDatabase()
    let reads = 0
    const remembered = new Remembered<undefined>(database, 'access', 2)
    for (let n = 0; n < 3; n++) {
      remembered.get('x'.repeat(10_000), () => {
        reads++
        return undefined
      })
    }
    expect(reads).to.equal(3)
  })
})
