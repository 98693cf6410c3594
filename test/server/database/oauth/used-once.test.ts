import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { digestOf } from '../../../../oauth/secrets.js'
import { type Database, openDatabase } from '../../../../server/database/database.js'
import { oauthStore } from '../../../../server/database/oauth/store.js'
import { NOW } from '../../../oauth/store-records.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'

/** How long one is remembered, in milliseconds (RFC 9449 section 11.1); one comes every millisecond. */
const REMEMBERED = 121_000
const IN_A_WINDOW = REMEMBERED
const WINDOWS = 9
/** Between two sweeps, as often as the server does it. */
const AT_ONCE = IN_A_WINDOW / 2
/** So many of them go the whole way that a request goes, the others are put in beside it. */
const ASKED = 500

const proof = (n: number) => digestOf(`proof ${n}`)
/** As the store keeps it. */
const idOf = (n: number) => Buffer.from(proof(n), 'base64url').subarray(0, 16)
const expiryOf = (n: number) => NOW + n + REMEMBERED

describe('identifiers that count once (RFC 9449 section 11.1)', function () {
  this.timeout(180_000)
  let directory: string
  let file: string
  let database: Database
  before(async () => {
    directory = await temporaryDirectory('once')
    file = join(directory, 'coffer.db')
    database = openDatabase(file)
    database.pragma('synchronous = OFF')
    database.pragma('cache_size = -65536')
  })
  after(async () => {
    database.close()
    await removeDirectory(directory)
  })

  it('are refused again for as long as they count, a million of them in the room of a tenth of them', async () => {
    const put = database.prepare('INSERT INTO used_once VALUES (?, ?)')
    const putAll = database.transaction((from: number, to: number) => {
      for (let n = from; n < to; n++) put.run(expiryOf(n), idOf(n))
    })
    const rows = database.prepare<[], number>('SELECT count(*) FROM used_once').pluck()
    const most = { rows: 0, bytes: 0, memory: 0 }
    let afterThree = most
    let store = oauthStore(database)
    for (let used = 0; used < WINDOWS * IN_A_WINDOW; used += AT_ONCE) {
      const end = used + AT_ONCE
      putAll(used, end - ASKED)
      const last = Array.from({ length: ASKED }, (_, n) => end - ASKED + n)
      const isNew = await Promise.all(last.map((n) => store.useOnce(proof(n), expiryOf(n))))
      expect(isNew.every(Boolean), 'every one of them is new').to.equal(true)

      most.rows = Math.max(most.rows, rows.get() ?? 0)
      while ((await store.sweep(NOW + end, AT_ONCE / 10)) > 0) {
        // What has expired goes.
      }
      // The oldest that counts has a millisecond left.
      const oldest = Math.max(0, end - IN_A_WINDOW + 1)
      const again = Array.from({ length: ASKED }, (_, n) =>
        Math.floor(oldest + ((end - 1 - oldest) * n) / (ASKED - 1)),
      )
      const asked = await Promise.all(again.map((n) => store.useOnce(proof(n), expiryOf(n))))
      expect(asked.some(Boolean), 'one that still counts was taken again').to.equal(false)

      most.bytes = Math.max(most.bytes, statSync(file).size + statSync(`${file}-wal`).size)
      most.memory = Math.max(most.memory, process.memoryUsage().rss)
      if (end === 3 * IN_A_WINDOW) afterThree = { ...most }
      // Nothing of it is in the memory of a process alone.
      store = oauthStore(database)
    }
    expect(most.rows, 'rows').to.be.at.most(IN_A_WINDOW + AT_ONCE)
    expect(most.bytes, 'bytes').to.be.at.most(afterThree.bytes * 1.25)
    expect(most.bytes / most.rows, 'bytes for each').to.be.below(500)
    expect(most.memory - afterThree.memory, 'memory').to.be.below(64 << 20)
    expect(rows.get()).to.be.within(1, IN_A_WINDOW)
  })

  it('are swept without writing a page for each of them', async () => {
    const store = oauthStore(database)
    const count = 20_000
    const step = 200
    const from = WINDOWS * IN_A_WINDOW
    while ((await store.sweep(NOW + from + REMEMBERED, count)) > 0) {
      // All that the case before has left goes.
    }
    for (let n = from; n < from + count; n += step) {
      const some = Array.from({ length: step }, (_, more) => n + more)
      // Of the same second, as the `iat` of proofs are.
      await Promise.all(some.map((each) => store.useOnce(proof(each), expiryOf(n))))
    }
    database.pragma('wal_autocheckpoint = 0')
    database.pragma('wal_checkpoint(TRUNCATE)')
    let swept = 0
    for (let removed = step; removed >= step; swept += removed) {
      removed = await store.sweep(expiryOf(from + count), step)
    }
    expect(swept).to.equal(count)
    expect(statSync(`${file}-wal`).size / count, 'bytes written for each').to.be.below(400)
  })
})
