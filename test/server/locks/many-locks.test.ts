import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Locks } from '../../../server/locks/locks.js'
import { LOCK_END, type Lock } from '../../../server/wire/locks.js'

const INO = 7
const client = (connection: string) => ({ user: 'ann', connection })

function lock(owner: string, type: Lock['type'], start = 0, end = LOCK_END): Lock {
  return { space: 'posix', owner, type, start, end, pid: 1 }
}

/** Somebody who wants to keep the server busy, or has a program that never gives back what it locks. */
describe('more locks of one file than any program has', () => {
  const asking = (wanted: Lock, waits = false) => {
    return { request: wanted.owner, lock: wanted, waits, delegable: false }
  }
  const begin = () => {
    const records = lockSessionTable(openDatabase(':memory:'))
    return new Locks({ now: () => 0, records })
  }
  function hold(locks: Locks, connection: string, count: number): string[] {
    return Array.from({ length: count }, (_, at) => {
      const read = lock(`o${at}`, 'read', 2 * at, 2 * at)
      return locks.lock(client(connection), INO, asking(read)).state
    })
  }

  it('are waited for by many, who all get theirs in the end', () => {
    const locks = begin()
    hold(locks, 'holder', 1_000)
    const wait = (at: number) =>
      locks.lock(client('waiter'), INO, asking(lock(`w${at}`, 'write'), true)).state
    for (let at = 0; at < 1_000; at++) expect(wait(at)).to.equal('waiting')
    locks.end(client('holder'))
    for (let at = 0; at < 1_000; at++) {
      expect(wait(at)).to.equal('granted')
      locks.unlock(client('waiter'), INO, lock(`w${at}`, 'write'))
    }
  }).timeout(20_000)

  it('hide no circle that is closed among those who wait for one file', () => {
    const locks = begin()
    const take = (owner: string, ino: number) =>
      locks.lock(client('one'), ino, asking(lock(owner, 'write'), true))
    for (const ino of [1, 2, 3]) take(`o${ino}`, ino)
    for (let at = 0; at < 100; at++) expect(take(`w${at}`, 1).state).to.equal('waiting')
    expect(take('o2', 1).state).to.equal('waiting')
    expect(take('o1', 3).state).to.equal('waiting')
    const last = take('o3', 2)
    expect(last).to.deep.equal({ state: 'refused', code: 'EDEADLK' })
  })

  it('are refused, whoever of a user asks for them', () => {
    const locks = begin()
    expect(hold(locks, 'one', 10_000).at(-1)).to.equal('granted')
    const read = lock('other', 'read', 100_000, 100_001)
    expect(locks.lock(client('two'), INO, asking(read))).to.deep.equal({
      state: 'refused',
      code: 'ENOLCK',
    })
    expect(locks.lock(client('two'), INO + 1, asking(read)).state).to.equal('granted')
  }).timeout(60_000)

  it('are waited for by no more than so many of a user', () => {
    const locks = begin()
    locks.lock(client('holder'), INO, asking(lock('a', 'write')))
    const wait = (at: number) => {
      const wanted = asking(lock(`w${at}`, 'write'), true)
      return locks.lock(client(`waiter-${at % 10}`), INO, wanted).state
    }
    for (let at = 0; at < 5_000; at++) expect(wait(at)).to.equal('waiting')
    expect(() => wait(5_000))
      .to.throw()
      .with.property('code', 'ENOLCK')
  }).timeout(60_000)
})
