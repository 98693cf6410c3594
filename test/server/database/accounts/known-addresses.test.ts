import { expect } from 'chai'
import { digestOf } from '../../../../oauth/secrets.js'
import { userTable } from '../../../../server/database/accounts/accounts.js'
import { knownAddresses } from '../../../../server/database/accounts/known-addresses.js'
import { sessionTable } from '../../../../server/database/accounts/sessions.js'
import { type Database, openDatabase } from '../../../../server/database/database.js'
import { grantUsesOf } from '../../../../server/database/oauth/grant-uses.js'
import { oauthStore } from '../../../../server/database/oauth/store.js'
import { MINUTE, NOW, newGrant } from '../../../oauth/store-records.js'

const HOME = '192.0.2.1'
const AWAY = '192.0.2.2'

describe('addresses that somebody was let in from', () => {
  let database: Database
  let isKnown: ReturnType<typeof knownAddresses>
  beforeEach(() => {
    database = openDatabase(':memory:')
    isKnown = knownAddresses(database)
    for (const username of ['ann', 'bob']) {
      userTable(database).insert({
        ...{ id: `${username}’s`, username, passwordHash: '', name: undefined, email: undefined },
        ...{ temporaryPassword: false, disabledAt: undefined },
        ...{ createdAt: NOW, validFrom: NOW },
      })
    }
  })
  afterEach(() => database.close())

  it('are those of a browser that is signed in', async () => {
    await sessionTable(database).begin(
      {
        ...{ id: 'x', userId: 'ann’s', authTime: NOW, lastUsedAt: NOW, expiresAt: NOW + MINUTE },
        ...{ address: HOME, userAgent: '' },
      },
      undefined,
    )
    expect(isKnown('ann', HOME, NOW)).to.equal(true)
    expect(isKnown('ann', AWAY, NOW)).to.equal(false)
    expect(isKnown('bob', HOME, NOW)).to.equal(false)
    expect(isKnown('nobody', HOME, NOW)).to.equal(false)
    expect(isKnown('ann', HOME, NOW + MINUTE)).to.equal(false)
  })

  it('are those where a grant was last used, until it ends or is taken back', async () => {
    const store = oauthStore(database)
    const grant = { ...newGrant(), sub: 'ann’s', lastUsedFrom: HOME }
    const { grantId } = grant
    await store.issueCode(
      grant,
      {
        ...{ codeDigest: digestOf(grantId), grantId, client_id: 'c', redirect_uri: '' },
        ...{ redirect_uri_sent: false, code_challenge: '', expiresAt: NOW + 1000 * MINUTE },
      },
      undefined,
    )
    expect(isKnown('ann', HOME, NOW)).to.equal(true)
    expect(isKnown('bob', HOME, NOW)).to.equal(false)
    expect(isKnown('ann', HOME, grant.expiresAt)).to.equal(false)
    store.noteUse(grantId, NOW + MINUTE, AWAY)
    grantUsesOf(database).flush()
    expect(isKnown('ann', HOME, NOW)).to.equal(false)
    expect(isKnown('ann', AWAY, NOW)).to.equal(true)
    await store.revokeGrant(grantId, NOW)
    expect(isKnown('ann', AWAY, NOW)).to.equal(false)
  })
})
