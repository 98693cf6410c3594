import { join } from 'node:path'
import { expect } from 'chai'
import { auditLog } from '../../../../server/database/accounts/audit.js'
import { type Database, openDatabase } from '../../../../server/database/database.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'

const KEY = Buffer.alloc(32, 7)

describe('the audit log', () => {
  let database: Database
  let now: number
  const log = (key = KEY) => auditLog(database, key, () => new Date(now))
  const login = (subject: string) => log().append({ event: 'login', outcome: 'success', subject })

  beforeEach(() => {
    database = openDatabase(':memory:')
    now = 1000
    log().begin()
  })
  afterEach(() => database.close())

  it('keeps who, what client, from where and the outcome', () => {
    const record = {
      event: 'consent',
      outcome: 'failure',
      subject: 'maria',
      client_id: 'coffer',
      address: '192.0.2.1',
      detail: 'denied',
    } as const
    log().append(record)
    expect(log().query({ limit: 10 })).to.deep.equal([{ number: 1, at: 1000, ...record }])
  })

  it('is whole as long as nobody touches it', () => {
    for (let count = 0; count < 2500; count++) login(`user ${count}`)
    expect(log().verify()).to.deep.equal({ kind: 'whole', entries: 2500 })
  })

  it('is whole while a server writes on', async () => {
    const directory = await temporaryDirectory('audit')
    const file = join(directory, 'coffer.db')
    const server = openDatabase(file)
    const clock = () => new Date(now)
    const written = auditLog(server, KEY, clock)
    written.begin()
    written.append({ event: 'login', outcome: 'success' })
    const reader = openDatabase(file)
    const prepare = reader.prepare.bind(reader)
    // After the last look at the entries there are more of them.
    reader.prepare = ((sql: string) => {
      const statement = prepare(sql)
      if (!sql.startsWith('SELECT * FROM audit WHERE number >')) return statement
      const all = statement.all.bind(statement)
      statement.all = (...parameters: unknown[]) => {
        const rows = all(...parameters)
        if (rows.length === 0) written.append({ event: 'login', outcome: 'success' })
        return rows
      }
      return statement
    }) as typeof reader.prepare
    const { kind } = auditLog(reader, KEY, clock).verify()
    expect(kind).to.equal('whole')
    reader.close()
    server.close()
    await removeDirectory(directory)
  })

  it('goes on under a new key once it is taken as it is', () => {
    login('a')
    const renewed = log(Buffer.alloc(32, 8))
    renewed.begin()
    renewed.append({ event: 'login', outcome: 'success', subject: 'b' })
    expect(renewed.verify()).to.deep.equal({ kind: 'broken', number: 1 })
    now = 2000
    renewed.append({ event: 'login', outcome: 'success', subject: 'c' })
    expect(renewed.prune(2000, 10)).to.equal(2)
    expect(renewed.verify()).to.deep.equal({ kind: 'whole', entries: 1 })
  })

  it('shows an older end put back, and takes entries all the same', () => {
    login('a')
    const end = "SELECT value FROM settings WHERE name = 'audit_head'"
    const older = database.prepare<[], string>(end).pluck().get()
    login('b')
    database.prepare("UPDATE settings SET value = ? WHERE name = 'audit_head'").run(older)
    expect(log().verify()).to.deep.equal({ kind: 'cut', end: 'end' })
    login('c')
    expect(log().query({ limit: 10 })).to.have.length(3)
    expect(log().verify()).to.deep.equal({ kind: 'cut', end: 'end' })
  })

  it('is whole when it is empty', () => {
    expect(log().verify()).to.deep.equal({ kind: 'whole', entries: 0 })
  })

  const tampering: [title: string, sql: string, verdict: object][] = [
    [
      'a changed entry',
      "UPDATE audit SET outcome = 'failure' WHERE number = 3",
      { kind: 'broken', number: 3 },
    ],
    ['a changed time', 'UPDATE audit SET at = 1 WHERE number = 2', { kind: 'broken', number: 2 }],
    ['a missing entry', 'DELETE FROM audit WHERE number = 3', { kind: 'broken', number: 4 }],
    ['a missing beginning', 'DELETE FROM audit WHERE number = 1', { kind: 'broken', number: 2 }],
    ['a missing end', 'DELETE FROM audit WHERE number = 5', { kind: 'cut', end: 'end' }],
    ['everything gone', 'DELETE FROM audit', { kind: 'cut', end: 'end' }],
    [
      'everything gone, with all that the log says of itself',
      "DELETE FROM audit; DELETE FROM settings WHERE name LIKE 'audit%'",
      { kind: 'cut', end: 'end' },
    ],
    [
      'a forged beginning',
      `DELETE FROM audit WHERE number = 1;
       INSERT INTO settings VALUES ('audit_anchor', '1 AAAA BBBB')`,
      { kind: 'cut', end: 'beginning' },
    ],
    [
      'a forged end',
      `DELETE FROM audit WHERE number = 5;
       UPDATE settings SET value = replace(value, '5 ', '4 ') WHERE name = 'audit_head'`,
      { kind: 'cut', end: 'end' },
    ],
    [
      'an entry put in between',
      `UPDATE audit SET number = number + 10 WHERE number > 2;
       INSERT INTO audit SELECT 3, at, event, outcome, subject, client_id, address, detail, hash FROM audit WHERE number = 2`,
      { kind: 'broken', number: 3 },
    ],
  ]
  for (const [title, sql, verdict] of tampering) {
    it(`shows ${title}`, () => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) login(name)
      database.exec(sql)
      expect(log().verify()).to.deep.equal(verdict)
      // Whatever is written afterwards covers up nothing.
      login('f')
      expect(log().verify().kind).not.to.equal('whole')
    })
  }

  it('cannot be written without the key', () => {
    login('a')
    log(Buffer.alloc(32, 8)).append({ event: 'login', outcome: 'success', subject: 'b' })
    expect(log().verify()).to.deep.equal({ kind: 'broken', number: 2 })
  })

  it('stays whole when old entries are removed, and says nothing of them', () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      login(name)
      now += 1000
    }
    expect(log().prune(3500, 10)).to.equal(3)
    expect(log().verify()).to.deep.equal({ kind: 'whole', entries: 2 })
    login('f')
    expect(log().verify()).to.deep.equal({ kind: 'whole', entries: 3 })
    expect(log().prune(Number.MAX_SAFE_INTEGER, 10)).to.equal(3)
    expect(log().verify()).to.deep.equal({ kind: 'whole', entries: 0 })
    login('g')
    expect(
      log()
        .query({ limit: 10 })
        .map(({ number }) => number),
    ).to.deep.equal([7])
    expect(log().verify()).to.deep.equal({ kind: 'whole', entries: 1 })
  })

  it('is asked by subject, event and time, and answers the newest', () => {
    for (const name of ['a', 'b', 'a', 'b', 'a']) {
      login(name)
      now += 1000
    }
    log().append({ event: 'logout', outcome: 'success', subject: 'a' })
    const numbers = (query: object) =>
      log()
        .query({ limit: 10, ...query })
        .map(({ number }) => number)
    expect(numbers({ subject: 'b' })).to.deep.equal([2, 4])
    expect(numbers({ event: 'logout' })).to.deep.equal([6])
    expect(numbers({ since: 4000 })).to.deep.equal([4, 5, 6])
    expect(numbers({ limit: 2 })).to.deep.equal([5, 6])
  })
})
