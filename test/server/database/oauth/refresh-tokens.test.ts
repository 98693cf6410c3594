import { statSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import type { Store } from '../../../../oauth/index.js'
import { digestOf, randomSecret } from '../../../../oauth/secrets.js'
import { newRefreshToken, refreshTokenDigest } from '../../../../oauth/tokens/stamped-token.js'
import { openDatabase } from '../../../../server/database/database.js'
import { MIGRATIONS } from '../../../../server/database/migrations.js'
import { oauthStore } from '../../../../server/database/oauth/store.js'
import {
  MINUTE,
  NOW,
  newGrant,
  newToken,
  redemption,
  rotation,
} from '../../../oauth/store-records.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'

/** Of the first release that kept tokens in the order of their digests. */
const BY_DIGEST = 4
const FRAME_BYTES = 4096 + 24

/** As tokens were before they began with the time of their issue. */
const unstamped = () => ({ ...newToken(), tokenDigest: digestOf(randomSecret()) })

/** A grant with its first refresh token. */
async function issued(store: Store, refreshToken = newToken()) {
  const grant = newGrant()
  const { grantId } = grant
  const code = {
    codeDigest: digestOf(randomSecret()),
    grantId,
    client_id: 'c',
    redirect_uri: 'http://127.0.0.1:1/cb',
    redirect_uri_sent: true,
    code_challenge: 'x'.repeat(43),
    expiresAt: NOW + MINUTE,
  }
  await store.issueCode(grant, code, undefined)
  await store.redeemCode(code.codeDigest, { ...redemption(), refreshToken })
  return refreshToken.tokenDigest
}

describe('the table of refresh tokens', function () {
  this.timeout(30_000)
  let directory: string
  let file: string
  beforeEach(async () => {
    directory = await temporaryDirectory('refresh-tokens')
    file = join(directory, 'coffer.db')
  })
  afterEach(() => removeDirectory(directory))

  it('has what an older version kept, spent or not', async () => {
    const old = new BetterSqlite3(file)
    for (const sql of MIGRATIONS.slice(0, BY_DIGEST)) old.exec(sql)
    old.pragma(`user_version = ${BY_DIGEST}`)
    const before = oauthStore(old)
    const [alive, spent] = [await issued(before, unstamped()), await issued(before, unstamped())]
    const found = await before.refreshToken(spent)
    if (found === undefined) throw new Error('it was not issued')
    const plan = rotation({ presentedKey: 'key', successor: { ...unstamped(), dpop_jkt: 'key' } })
    expect((await before.rotate(found.token, plan)).kind).to.equal('rotated')
    const all = [alive, spent, plan.successor.tokenDigest]
    const kept = await Promise.all(all.map((digest) => before.refreshToken(digest)))
    old.close()

    const database = openDatabase(file)
    const store = oauthStore(database)
    expect(await Promise.all(all.map((digest) => store.refreshToken(digest)))).to.deep.equal(kept)
    const again = await store.refreshToken(spent)
    if (again === undefined) throw new Error('it was not kept')
    expect((await store.rotate(again.token, plan)).kind).to.equal('repeated')
    const late = { ...plan, at: NOW + 31_000 }
    expect((await store.rotate(again.token, late)).kind).to.equal('reused')
    const unspent = await store.refreshToken(alive)
    if (unspent === undefined) throw new Error('it was not kept')
    const successor = newToken()
    expect((await store.rotate(unspent.token, rotation({ successor }))).kind).to.equal('rotated')
    expect((await store.refreshToken(successor.tokenDigest))?.token.client_id).to.equal('c')
    expect(await store.sweep(NOW + 200 * MINUTE, 100)).to.be.above(0)
    expect(await store.refreshToken(alive)).to.equal(undefined)
    database.close()
  })

  it('has few pages for rotations to write, however many tokens there are', async () => {
    const database = openDatabase(file)
    const store = oauthStore(database)
    const put = database.prepare('INSERT INTO refresh_tokens VALUES (?, ?, ?, ?, ?, ?, ?)')
    database.transaction(() => {
      for (let n = 0; n < 50_000; n++) {
        const digest = refreshTokenDigest(newRefreshToken(NOW - n))
        put.run(digest, 'g'.repeat(22), 'c', null, NOW + n, NOW, null)
      }
    })()
    let tokens = await Promise.all(Array.from({ length: 16 }, () => issued(store)))
    database.pragma('wal_autocheckpoint = 0')
    const rotateAll = async (at: number) => {
      tokens = await Promise.all(
        tokens.map(async (digest) => {
          const found = await store.refreshable(digest)
          if (found === undefined) throw new Error('it is gone')
          const plan = rotation({ at, successor: newToken(at) })
          expect((await store.rotate(found.token, plan)).kind).to.equal('rotated')
          return plan.successor.tokenDigest
        }),
      )
    }
    await rotateAll(NOW)
    database.pragma('wal_checkpoint(TRUNCATE)')
    const rounds = 50
    for (let round = 0; round < rounds; round++) await rotateAll(NOW + round)
    const frames = statSync(`${file}-wal`).size / FRAME_BYTES
    expect(frames / (rounds * tokens.length), 'pages for a rotation').to.be.below(0.8)
    database.close()
  })
})
