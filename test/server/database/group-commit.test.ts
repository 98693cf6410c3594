import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { type Database, openDatabase } from '../../../server/database/database.js'
import { whenFull } from '../../../server/database/full-disk.js'
import { groupCommitOf } from '../../../server/database/group-commit.js'
import { deferred } from '../../../server/storage/parts/deferred.js'
import { temporaryDirectory } from '../../support/directory.js'

describe('GroupCommit', () => {
  let own: Database
  let other: Database
  beforeEach(async () => {
    const file = join(await temporaryDirectory('group-commit'), 'db')
    own = openDatabase(file)
    other = openDatabase(file)
  })
  afterEach(() => {
    own.close()
    other.close()
  })

  const insert = (name: string) => () =>
    own.prepare("INSERT INTO settings VALUES (?, 'x')").run(name).changes
  const names = (database: Database) =>
    database.prepare<[], string>('SELECT name FROM settings ORDER BY name').pluck().all()

  it('tells nobody of a step before everybody can see it', async () => {
    const commits = groupCommitOf(own)
    const seen: string[][] = []
    const step = async (name: string) => {
      await commits.run(insert(name))
      seen.push(names(other))
    }
    await Promise.all([step('a'), step('b'), step('c')])
    expect(seen).to.deep.equal([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ])
  })

  it('does the steps in their order, each on what the one before has left', async () => {
    const commits = groupCommitOf(own)
    const count = () => names(own).length
    const outcomes = [
      commits.read(count),
      commits.run(insert('a')),
      commits.read(count),
      commits.run(insert('b')),
      commits.read(count),
    ]
    expect(await Promise.all(outcomes)).to.deep.equal([0, 1, 1, 1, 2])
  })

  it('lets a step fail alone, with nothing of it left', async () => {
    const commits = groupCommitOf(own)
    const failing = () => {
      insert('half')()
      throw new Error('this one fails')
    }
    const outcomes = await Promise.allSettled([
      commits.run(insert('a')),
      commits.run(failing),
      commits.run(insert('b')),
    ])
    expect(outcomes.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(names(other)).to.deep.equal(['a', 'b'])
  })

  it('fails every step when there is no transaction to be had', async () => {
    const commits = groupCommitOf(own)
    own.pragma('busy_timeout = 0')
    other.exec('BEGIN IMMEDIATE')
    const outcomes = await Promise.allSettled([commits.run(insert('a')), commits.run(insert('b'))])
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    const reads = commits.read(() => names(own))
    expect(await reads, 'who only reads waits for nobody').to.deep.equal([])
    other.exec('ROLLBACK')
    await commits.run(insert('c'))
    expect(names(other)).to.deep.equal(['c'])
  })

  it('says how much was changed, so that the log is written back in time', async () => {
    const commits = groupCommitOf(own)
    const told: number[] = []
    commits.onCommit((changes) => told.push(changes))
    await Promise.all([
      commits.run(insert('a')),
      commits.read(() => names(own)),
      commits.run(insert('b')),
    ])
    await commits.read(() => names(own))
    expect(told).to.deep.equal([2])
  })

  it('lets changes wait while there is a pause, and those alone', async () => {
    const commits = groupCommitOf(own)
    const { promise, resolve } = deferred()
    let asked = 0
    commits.waitFor(() => (asked++ === 0 ? promise : undefined))
    expect(await commits.read(() => names(own))).to.deep.equal([])
    expect(asked).to.equal(0)
    const change = commits.run(insert('a'))
    while (asked === 0) await setImmediate()
    expect(names(other)).to.deep.equal([])
    resolve()
    await change
    expect(names(other)).to.deep.equal(['a'])
  })

  it('does steps once more when room was made on a full disk, and fails them when there is none', async () => {
    const commits = groupCommitOf(own)
    const pages = Number(own.pragma('page_count', { simple: true }))
    const most = (count: number) => own.pragma(`max_page_count = ${count}`)
    const long = (name: string) => () =>
      own.prepare('INSERT INTO settings VALUES (?, hex(zeroblob(50000)))').run(name).changes
    let asked = 0
    most(pages)
    whenFull(own, () => {
      asked++
      return asked === 1
    })
    const failed = await Promise.allSettled([commits.run(long('a')), commits.run(long('b'))])
    expect(failed.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    expect(asked).to.equal(1)
    whenFull(own, () => {
      most(pages + 1000)
      return true
    })
    await Promise.all([commits.run(long('a')), commits.run(long('b'))])
    expect(names(other)).to.deep.equal(['a', 'b'])
  })

  it('takes more steps than one transaction does', async () => {
    const commits = groupCommitOf(own)
    await Promise.all(Array.from({ length: 450 }, (_, n) => commits.run(insert(`${n}`))))
    expect(names(other)).to.have.length(450)
  })
})
