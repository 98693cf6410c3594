import { join } from 'node:path'
import { expect } from 'chai'
import { digestOf } from '../../../oauth/secrets.js'
import { openDatabase } from '../../../server/database/database.js'
import { grantUsesOf } from '../../../server/database/oauth/grant-uses.js'
import { oauthStore } from '../../../server/database/oauth-store.js'
import { MINUTE, NOW, newGrant } from '../../oauth/store-records.js'
import { temporaryDirectory } from '../../support/directory.js'

describe('GrantUses', () => {
  it('are written down with the last use of each grant, for whoever opens the database next', async () => {
    const file = join(await temporaryDirectory('uses'), 'db')
    const database = openDatabase(file)
    const store = oauthStore(database)
    const grants = Array.from({ length: 1200 }, () => newGrant())
    for (const grant of grants) {
      const { grantId } = grant
      await store.issueCode(
        grant,
        {
          codeDigest: digestOf(grantId),
          grantId,
          client_id: 'c',
          redirect_uri: '',
          redirect_uri_sent: false,
          code_challenge: '',
          expiresAt: NOW + 1000 * MINUTE,
        },
        undefined,
      )
      for (const minutes of [1, 2]) store.noteUse(grantId, NOW + minutes * MINUTE, `${minutes}`)
    }
    grantUsesOf(database).flush()
    database.close()
    const again = openDatabase(file)
    const used = await oauthStore(again).grantsOf('u', NOW)
    again.close()
    expect(used).to.have.length(1000)
    for (const { lastUsedAt, lastUsedFrom } of used) {
      expect({ lastUsedAt, lastUsedFrom }).to.deep.equal({
        lastUsedAt: NOW + 2 * MINUTE,
        lastUsedFrom: '2',
      })
    }
  })
})
