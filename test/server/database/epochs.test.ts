import { join } from 'node:path'
import { expect } from 'chai'
import { type Database, openDatabase } from '../../../server/database/database.js'
import { epochsOf } from '../../../server/database/epochs.js'
import { temporaryDirectory } from '../../support/directory.js'

const GRANT = `INSERT INTO grants (grant_id, client_id, sub, scope, resource, auth_time, sid, created_at, expires_at,
  last_used_at, last_used_from, kept_until) VALUES ('g', 'c', 's', 'file.read', '[]', 0, 'sid', 0, 9, 0, '', 9)`
const USER = `INSERT INTO users VALUES ('u', 'alice', 'hash', NULL, NULL, 0, NULL, 0, 0)`

/** Each changes who may do what. */
const CHANGES = [
  ["INSERT INTO clients VALUES ('c', '{}')", 'a new client'],
  ["UPDATE clients SET client = '{ }'", 'a changed client'],
  ['DELETE FROM clients', 'a removed client'],
  ['UPDATE users SET disabled_at = 1', 'a disabled account'],
  ['UPDATE users SET valid_from = 1', 'an account signed out everywhere'],
  ['UPDATE grants SET revoked_at = 1', 'a revoked grant'],
  ['DELETE FROM grants', 'a removed grant'],
  ["INSERT INTO revoked_tokens VALUES ('jti', 1)", 'a revoked token'],
  ['DELETE FROM users', 'a removed account'],
] as const

async function twoConnections(): Promise<{ own: Database; other: Database }> {
  const file = join(await temporaryDirectory('epochs'), 'db')
  const own = openDatabase(file)
  const other = openDatabase(file)
  for (const sql of ["INSERT INTO clients VALUES ('b', '{}')", USER, GRANT]) own.exec(sql)
  return { own, other }
}

/** In one turn of the event loop: what others change counts even then. */
function aMillisecondPasses(): void {
  const began = performance.now()
  while (performance.now() - began < 1) {
    // As long as nothing may be believed without looking again.
  }
}

describe('Epochs', () => {
  for (const by of ['own', 'other'] as const) {
    it(`tell every change of access by ${by === 'own' ? 'this' : 'another'} connection`, async () => {
      const connections = await twoConnections()
      const epochs = epochsOf(connections.own)
      for (const [sql, what] of CHANGES) {
        const before = epochs.now('access')
        aMillisecondPasses()
        expect(epochs.now('access'), 'nothing changed').to.equal(before)
        connections[by].exec(sql)
        if (by === 'other') aMillisecondPasses()
        expect(epochs.now('access'), what).to.not.equal(before)
      }
    })
  }

  it('stay the same while grants are merely used', async () => {
    const { own } = await twoConnections()
    const epochs = epochsOf(own)
    const before = epochs.now('access')
    own.exec('UPDATE grants SET last_used_at = 5, kept_until = 10')
    aMillisecondPasses()
    expect(epochs.now('access')).to.equal(before)
  })

  it('tell attempts apart from access', async () => {
    const { own } = await twoConnections()
    const epochs = epochsOf(own)
    const before = { access: epochs.now('access'), attempts: epochs.now('attempts') }
    own.exec("INSERT INTO attempts VALUES ('bucket', 1, 2)")
    expect(epochs.now('access')).to.equal(before.access)
    expect(epochs.now('attempts')).to.not.equal(before.attempts)
  })
})
