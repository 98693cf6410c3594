import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  databaseFile,
  findDataDirectory,
  prepareDataDirectory,
  refuseDataDirectory,
} from '../../server/data-directory.js'
import { openDatabase } from '../../server/database/database.js'
import { contentList } from '../../server/storage/backup/set.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'

/** What SQLite undoes by it (https://sqlite.org/fileformat2.html#the_rollback_journal): there was no page before. */
function journalOfNewDatabase(): Buffer {
  const header = Buffer.alloc(512)
  header.writeBigUInt64BE(0xd9d505f920a163d7n)
  const [records, nonce, pages, sector, page] = [0, 1, 0, 512, 4096]
  for (const [at, value] of [records, nonce, pages, sector, page].entries()) {
    header.writeUInt32BE(value, 8 + 4 * at)
  }
  return header
}

describe('what may be a data directory', () => {
  const uid = process.getuid?.()
  let directory: string
  beforeEach(async () => {
    directory = join(await temporaryDirectory('data'), 'data')
    mkdirSync(directory, { mode: 0o755 })
  })
  afterEach(() => removeDirectory(join(directory, '..')))

  const modeOf = () => statSync(directory).mode & 0o7777
  const put = (name: string) => writeFileSync(join(directory, name), '')

  it('is an empty one, which is closed to others then', () => {
    prepareDataDirectory(directory, uid)
    expect(modeOf()).to.equal(0o700)
  })

  it('is what a first start that was broken off has left, also on a disk of its own', () => {
    for (const name of ['lock', 'lock-journal', 'secret', 'coffer.db']) put(name)
    for (const name of ['tls', 'lost+found']) mkdirSync(join(directory, name))
    prepareDataDirectory(directory, uid)
    expect(modeOf()).to.equal(0o700)
  })

  it('is what a first start has left that was killed while it made the database', () => {
    openDatabase(databaseFile(directory)).close()
    writeFileSync(`${databaseFile(directory)}-journal`, journalOfNewDatabase())
    prepareDataDirectory(directory, uid)
    expect(statSync(databaseFile(directory)).size).to.equal(0)
    openDatabase(databaseFile(directory)).close()
  })

  it('is one where the files are that its configuration names, and no others', () => {
    for (const name of ['coffer.json', 'coffer.json.old']) put(name)
    mkdirSync(join(directory, 'keys'))
    const files = [join(directory, 'coffer.json'), join(directory, 'keys', 'fullchain.pem')]
    expect(() => prepareDataDirectory(directory, uid, files)).to.throw('has "coffer.json.old"')
    unlinkSync(join(directory, 'coffer.json.old'))
    prepareDataDirectory(directory, uid, files)
    expect(modeOf()).to.equal(0o700)
  })

  it('is one with the sticky bit that nobody else may write to', () => {
    openDatabase(databaseFile(directory)).close()
    chmodSync(directory, 0o1700)
    for (const ask of [prepareDataDirectory, findDataDirectory]) ask(directory, uid)
  })

  it('is none that is in use for something else: that stays as it is', () => {
    put('photo.jpg')
    for (const ask of [prepareDataDirectory, refuseDataDirectory]) {
      expect(() => ask(directory, uid))
        .to.throw('is in use for something else (it has "photo.jpg"')
        .with.property('message')
        .that.contains('COFFER_DATA')
    }
    expect(modeOf()).to.equal(0o755)
    expect(readdirSync(directory)).to.deep.equal(['photo.jpg'])
  })

  it('is none whose database is lost: a server that begins anew would remove the contents', () => {
    put('coffer.db')
    mkdirSync(join(directory, 'content'))
    expect(() => prepareDataDirectory(directory, uid)).to.throw('(it has "content"')
    expect(() => findDataDirectory(directory, uid)).to.throw('there is no data directory')
  })

  it('is none that several users share, whatever is in it', () => {
    chmodSync(directory, 0o1777)
    expect(() => prepareDataDirectory(directory, uid)).to.throw('shared by several users')
    openDatabase(databaseFile(directory)).close()
    expect(() => findDataDirectory(directory, uid)).to.throw('shared by several users')
    expect(modeOf()).to.equal(0o1777)
  })

  it('is no backup, whose contents a server would not know', () => {
    const database = openDatabase(databaseFile(directory))
    contentList(database, 'make')
    database.close()
    for (const ask of [prepareDataDirectory, findDataDirectory]) {
      expect(() => ask(directory, uid)).to.throw(
        `is a backup: make a data directory of it with "coffer-server --data DIRECTORY restore ${directory}"`,
      )
    }
    expect(modeOf()).to.equal(0o755)
  })
  it('is none in a backup or in another data directory, however it is named', () => {
    openDatabase(databaseFile(directory)).close()
    const link = join(directory, '..', 'link')
    mkdirSync(join(directory, 'content'))
    symlinkSync(join(directory, 'content'), link)
    for (const inside of [
      join(directory, 'data'),
      join(directory, 'content', 'a'),
      join(link, 'b'),
    ]) {
      for (const ask of [prepareDataDirectory, refuseDataDirectory]) {
        expect(() => ask(inside, uid))
          .to.throw(`${inside} is in ${directory}, which is a backup or another data directory`)
          .with.property('message')
          .that.contains('COFFER_DATA')
      }
      expect(existsSync(inside)).to.equal(false)
      mkdirSync(inside)
      openDatabase(databaseFile(inside)).close()
      expect(() => findDataDirectory(inside, uid)).to.throw(`is in ${directory}`)
    }
  })
})
