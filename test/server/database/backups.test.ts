import { expect } from 'chai'
import { knowsBackup, noteBackup } from '../../../server/database/backups.js'
import { openDatabase } from '../../../server/database/database.js'

describe('the backups that a data directory knows', () => {
  const names = (database: ReturnType<typeof openDatabase>) =>
    database.prepare('SELECT name FROM backups ORDER BY number').pluck().all()

  it('are the newest 50,000', () => {
    const database = openDatabase(':memory:')
    const insert = database.prepare('INSERT INTO backups VALUES (?, ?)')
    for (const [number, name] of [
      [1, 'first'],
      [2, 'second'],
      [50_000, 'last'],
    ]) {
      insert.run(number, name)
    }
    noteBackup(database)
    expect(names(database)).to.have.length(3).and.include.members(['second', 'last'])
    database.close()
  })

  it('include one that says no name, as an earlier version made it', () => {
    const [database, backup] = [openDatabase(':memory:'), openDatabase(':memory:')]
    noteBackup(database)
    expect(knowsBackup(database, backup)).to.equal(true)
    backup.exec('DROP TABLE backups')
    expect(knowsBackup(database, backup)).to.equal(true)
    for (const opened of [database, backup]) opened.close()
  })
})
