import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { deriveKeys, digestOf, randomSecret } from '../../../oauth/secrets.js'
import { newRefreshToken, refreshTokenDigest } from '../../../oauth/tokens/stamped-token.js'
import { MIGRATIONS } from '../../../server/database/migrations.js'
import { oauthStore } from '../../../server/database/oauth/store.js'
import { issueKeySchema } from '../../../server/database/schema/oauth.js'
import { MINUTE, NOW, newGrant, redemption, rotation } from '../../oauth/store-records.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { refresh, SECRET, type World, world } from './fixture.js'

/** What followed a token before tokens began with the time of their issue. */
const formerSuccessor = (token: string) =>
  createHmac('sha256', deriveKeys(SECRET).successor).update(token).digest('base64url')

describe('refresh tokens of earlier versions', () => {
  let directory: string
  let at: World
  const [unspent, spent] = [randomSecret(), randomSecret()]

  const kept = (token: string) => ({ tokenDigest: digestOf(token), expiresAt: NOW + 100 * MINUTE })
  beforeEach(async () => {
    directory = await temporaryDirectory('former-tokens')
    const path = join(directory, 'coffer.db')
    const database = new BetterSqlite3(path)
    const version = MIGRATIONS.indexOf(issueKeySchema)
    for (const sql of MIGRATIONS.slice(0, version)) database.exec(sql)
    database.pragma(`user_version = ${version}`)
    const store = oauthStore(database)
    for (const token of [unspent, spent]) {
      const grant = newGrant({
        client_id: 'fuse',
        sub: 'user-1',
        scope: 'offline_access file.read',
      })
      const codeDigest = digestOf(randomSecret())
      const code = {
        codeDigest,
        grantId: grant.grantId,
        client_id: 'fuse',
        redirect_uri: 'http://127.0.0.1:1/cb',
        redirect_uri_sent: true,
        code_challenge: 'x'.repeat(43),
        expiresAt: NOW + MINUTE,
      }
      await store.issueCode(grant, code, undefined)
      await store.redeemCode(codeDigest, { ...redemption(), refreshToken: kept(token) })
    }
    const found = await store.refreshToken(digestOf(spent))
    if (found === undefined) throw new Error('it was not issued')
    await store.rotate(found.token, rotation({ successor: kept(formerSuccessor(spent)) }))
    database.close()
    at = await world({ path })
  })
  afterEach(async () => {
    at.database.close()
    await removeDirectory(directory)
  })

  it('get the successor that stands, again within the grace', async () => {
    at.now = NOW + 5000
    const again = await refresh(at, spent)
    expect(again.body.refresh_token).to.equal(formerSuccessor(spent))
    expect((await refresh(at, again.body.refresh_token)).status).to.equal(200)
  })

  it('get one successor where they are spent now', async () => {
    const first = await refresh(at, unspent)
    at.now += 5000
    const again = await refresh(at, unspent)
    expect(again.body.refresh_token).to.equal(first.body.refresh_token)
    expect((await refresh(at, again.body.refresh_token)).status).to.equal(200)
  })

  it('get the successor that stands where its secret was made without the time', async () => {
    const token = newRefreshToken(NOW)
    const found = await at.store.refreshToken(digestOf(unspent))
    if (found === undefined) throw new Error('it was not issued')
    const standing = `${newRefreshToken(NOW).slice(0, 10)}${formerSuccessor(token)}`
    for (const [from, to] of [
      [unspent, token],
      [token, standing],
    ] as const) {
      const [tokenDigest, successorDigest] = [refreshTokenDigest(from), refreshTokenDigest(to)]
      const successor = { tokenDigest: successorDigest, expiresAt: NOW + 100 * MINUTE }
      await at.store.rotate({ ...found.token, tokenDigest }, rotation({ successor }))
    }
    at.now = NOW + 5000
    const again = await refresh(at, token)
    expect(again.body.refresh_token).to.equal(standing)
  })
})
