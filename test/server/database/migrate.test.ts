import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { MIGRATIONS } from '../../../server/database/migrations.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

/** Of the first data directories: the schema of accounts, files and OAuth, and nothing after. */
const FIRST = 3

describe('the upgrade of a data directory', () => {
  let file: string
  beforeEach(async () => {
    file = join(await temporaryDirectory('migrate'), 'coffer.db')
  })
  afterEach(() => removeDirectory(join(file, '..')))

  /** A database as an older version left it, with what somebody did to it. */
  function older(done = ''): void {
    const database = new BetterSqlite3(file)
    for (const sql of MIGRATIONS.slice(0, FIRST)) database.exec(sql)
    database.pragma(`user_version = ${FIRST}`)
    database.exec(done)
    database.close()
  }

  function look<T>(read: (database: BetterSqlite3.Database) => T): T {
    const database = new BetterSqlite3(file)
    try {
      return read(database)
    } finally {
      database.close()
    }
  }
  const schema = () =>
    look((database) => ({
      version: database.pragma('user_version', { simple: true }),
      all: database.prepare('SELECT type, name, sql FROM sqlite_schema').all(),
    }))

  it('is all of it or nothing', () => {
    older('CREATE TABLE backups (in_the_way INTEGER)')
    const before = schema()
    expect(() => openDatabase(file)).to.throw('backups')
    expect(schema()).to.deep.equal(before)
  })

  it('waits until nobody else has it, and does not repeat what was done meanwhile', () => {
    older()
    let released = 0
    const first = openDatabase(file, () => {
      openDatabase(file).close()
      return {
        release() {
          released += 1
        },
      }
    })
    first.close()
    expect([released, schema().version]).to.deep.equal([1, MIGRATIONS.length])

    const again = openDatabase(file, () => {
      throw new Error('there is nothing to do')
    })
    again.close()
  })

  it('is needless where who was in the way has done it', () => {
    older()
    const database = openDatabase(file, () => {
      openDatabase(file).close()
      throw new Error('it is in use')
    })
    database.close()
  })

  it('leaves alone what a newer version has written, and says so', () => {
    openDatabase(file).close()
    look((database) => database.pragma(`user_version = ${MIGRATIONS.length + 1}`))
    expect(() => openDatabase(file))
      .to.throw('written by a newer Coffer')
      .with.property('message')
      .that.contains('use that version')
    expect(schema().version).to.equal(MIGRATIONS.length + 1)
  })

  it('brings the table that the first directories lack', () => {
    older('DROP TABLE name_leases')
    openDatabase(file).close()
    expect(look((database) => database.prepare('SELECT * FROM name_leases').all())).to.deep.equal(
      [],
    )
  })

  it('refuses what says of itself what it is not, names what is missing, and leaves it alone', () => {
    older('ALTER TABLE inodes DROP COLUMN allocated; DROP TABLE uploads')
    const before = schema()
    expect(() => openDatabase(file))
      .to.throw('too old to be upgraded')
      .with.property('message')
      .that.matches(/inodes\.allocated.*uploads\.id.*coffer-server export/)
    expect(schema()).to.deep.equal(before)
  })
})
