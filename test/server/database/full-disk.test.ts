import { expect } from 'chai'
import { type Database, openDatabase } from '../../../server/database/database.js'
import { whenFull, withRoom } from '../../../server/database/full-disk.js'

describe('room for a change of the database', () => {
  let database: Database
  beforeEach(() => {
    database = openDatabase(':memory:')
  })
  afterEach(() => database.close())

  /** Fails so often, then says how often it was tried. */
  const failing = (times: number, code: string) => {
    let tried = 0
    return () => {
      tried++
      if (tried <= times) throw Object.assign(new Error('failed'), { code })
      return tried
    }
  }

  for (const code of ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE']) {
    it(`is made when it finds the disk full, once: ${code}`, () => {
      whenFull(database, () => true)
      expect(withRoom(database, failing(1, code))).to.equal(2)
      expect(() => withRoom(database, failing(2, code))).to.throw('failed')
    })
  }

  it('is made for nothing else, and not in the midst of a transaction', () => {
    let asked = 0
    whenFull(database, () => {
      asked++
      return true
    })
    expect(() => withRoom(database, failing(1, 'SQLITE_IOERR_READ'))).to.throw('failed')
    const inside = database.transaction(() => withRoom(database, failing(1, 'SQLITE_FULL')))
    expect(inside).to.throw('failed')
    expect(asked).to.equal(0)
  })

  it('may not be had', () => {
    whenFull(database, () => false)
    expect(() => withRoom(database, failing(1, 'SQLITE_FULL'))).to.throw('failed')
  })
})
