import { join } from 'node:path'
import { expect } from 'chai'
import { digestOf } from '../../../../oauth/secrets.js'
import { openDatabase } from '../../../../server/database/database.js'
import { GrantUses, grantUsesOf } from '../../../../server/database/oauth/grant-uses.js'
import { oauthStore } from '../../../../server/database/oauth/store.js'
import { MINUTE, NOW, newGrant } from '../../../oauth/store-records.js'
import { temporaryDirectory } from '../../../support/directory.js'
import { until } from '../../../support/until.js'

describe('GrantUses', () => {
  const begin = (store: ReturnType<typeof oauthStore>, grant: ReturnType<typeof newGrant>) => {
    const { grantId } = grant
    const code = {
      ...{ codeDigest: digestOf(grantId), grantId, client_id: 'c', redirect_uri: '' },
      ...{ redirect_uri_sent: false, code_challenge: '', expiresAt: NOW + 1000 * MINUTE },
    }
    return store.issueCode(grant, code, undefined)
  }

  it('are written down with the last use of each grant, for whoever opens the database next', async () => {
    const file = join(await temporaryDirectory('uses'), 'db')
    const database = openDatabase(file)
    const store = oauthStore(database)
    const grants = Array.from({ length: 1200 }, () => newGrant())
    for (const grant of grants) {
      const { grantId } = grant
      await begin(store, grant)
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
  it('stay noted, and it is said once, when they cannot be written down', async () => {
    const database = openDatabase(':memory:')
    const store = oauthStore(database)
    const grant = newGrant()
    const { grantId } = grant
    await begin(store, grant)
    let tried = 0
    database.function('fail', () => {
      tried++
      throw new Error('the disk is full')
    })
    database.exec('CREATE TRIGGER full BEFORE UPDATE ON grants BEGIN SELECT fail(); END')
    const uses = new GrantUses(database, 0)
    const told: unknown[] = []
    uses.whenFailing((cause) => told.push(cause))
    uses.note(grantId, NOW + MINUTE, '192.0.2.1')
    await until('it tried to write them down', async () => tried === 1)
    expect(() => uses.flush()).to.throw('the disk is full')
    uses.note(grantId, NOW + 2 * MINUTE, '192.0.2.2')
    await until('it tried again', async () => tried === 3)
    expect(uses.current(grant)).to.include({
      lastUsedAt: NOW + 2 * MINUTE,
      lastUsedFrom: '192.0.2.2',
    })
    database.exec('DROP TRIGGER full')
    uses.flush()
    expect(await store.grant(grantId)).to.include({
      lastUsedAt: NOW + 2 * MINUTE,
      lastUsedFrom: '192.0.2.2',
    })
    expect(told).to.have.length(1)
    expect(told[0]).to.have.property('message', 'the disk is full')
    database.close()
  })
})
