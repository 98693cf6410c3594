import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { digestOf } from '../../../../oauth/secrets.js'
import { openDatabase } from '../../../../server/database/database.js'
import { MIGRATIONS } from '../../../../server/database/migrations.js'
import { oauthStore } from '../../../../server/database/oauth/store.js'
import { client, NOW } from '../../../oauth/store-records.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'

/** Of the last version that did not note whether a client was used. */
const UNNOTED = 7

describe('the table of clients', () => {
  let directory: string
  beforeEach(async () => {
    directory = await temporaryDirectory('clients')
  })
  afterEach(() => removeDirectory(directory))

  it('keeps what registered itself with an older version: it may be in use', async () => {
    const file = join(directory, 'coffer.db')
    const old = new BetterSqlite3(file)
    for (const sql of MIGRATIONS.slice(0, UNNOTED)) old.exec(sql)
    old.pragma(`user_version = ${UNNOTED}`)
    const insert = old.prepare('INSERT INTO clients VALUES (?, ?)')
    const registered = { ...client, client_id: 'r', registration_digest: digestOf('x') }
    for (const each of [client, registered]) insert.run(each.client_id, JSON.stringify(each))
    old.close()

    const database = openDatabase(file)
    const store = oauthStore(database)
    expect(await store.removeUnusedClients(NOW + 1, 10, NOW)).to.deep.equal([])
    expect(await store.client('r')).to.deep.equal({ ...registered, usedAt: NOW })
    expect(await store.client('c')).to.deep.equal(client)
    database.close()
  })
})
