import type { Client, Store } from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { groupCommitOf } from '../group-commit.js'
import { Remembered } from '../remembered.js'

export type ClientStore = Pick<
  Store,
  | 'client'
  | 'clients'
  | 'saveClient'
  | 'changeClient'
  | 'removeClient'
  | 'noteClientUse'
  | 'removeUnusedClients'
>

const KNOWN_MAX = 1000

/** Clients, as JSON of their metadata. */
export function clientStore(database: Database): ClientStore {
  const get = database
    .prepare<[string], string>('SELECT client FROM clients WHERE client_id = ?')
    .pluck()
  const all = database.prepare<[], string>('SELECT client FROM clients ORDER BY client_id').pluck()
  const save = database.prepare(
    'INSERT INTO clients VALUES (?, ?) ON CONFLICT DO UPDATE SET client = excluded.client',
  )
  const remove = database.prepare('DELETE FROM clients WHERE client_id = ?')
  const revokeGrants = database.prepare(
    'UPDATE grants SET revoked_at = ? WHERE client_id = ? AND revoked_at IS NULL',
  )
  const removeConsents = database.prepare('DELETE FROM consents WHERE client_id = ?')
  const change = database.transaction((client: Client) => {
    removeConsents.run(client.client_id)
    save.run(client.client_id, JSON.stringify(client))
  })
  const removeAll = database.transaction((client_id: string, at: number) => {
    revokeGrants.run(at, client_id)
    removeConsents.run(client_id)
    return remove.run(client_id).changes > 0
  })
  const noteUse = database.prepare(
    `UPDATE clients SET client = json_set(client, '$.usedAt', ?)
     WHERE client_id = ? AND client ->> '$.usedAt' IS NULL`,
  )
  /** As the index has it (schema/oauth.ts), without those that a user has just given access and that come for their tokens. */
  const unused = database
    .prepare<[before: number, at: number, limit: number], string>(
      `SELECT client_id FROM clients
       WHERE client ->> '$.registration_digest' IS NOT NULL AND client ->> '$.usedAt' IS NULL
         AND client ->> '$.createdAt' < ?
         AND NOT EXISTS (SELECT 1 FROM grants
           WHERE grants.client_id = clients.client_id AND revoked_at IS NULL AND kept_until > ?)
       LIMIT ?`,
    )
    .pluck()
  const removeUnused = database.transaction((before: number, limit: number, at: number) => {
    const found = unused.all(before, at, limit)
    for (const client_id of found) removeAll(client_id, at)
    return found
  })
  const known = new Remembered<Client | undefined>(database, 'access', KNOWN_MAX)
  const read = (client_id: string): Client | undefined => {
    const text = get.get(client_id)
    return text === undefined ? undefined : JSON.parse(text)
  }

  return {
    client: async (client_id) => known.get(client_id, read),
    async clients() {
      return all.all().map((text) => JSON.parse(text))
    },
    async saveClient(client) {
      save.run(client.client_id, JSON.stringify(client))
    },
    async changeClient(client) {
      change.immediate(client)
    },
    async removeClient(client_id, at) {
      const wasThere = removeAll.immediate(client_id, at)
      await groupCommitOf(database).synced()
      return wasThere
    },
    async noteClientUse(client_id, at) {
      noteUse.run(at, client_id)
    },
    async removeUnusedClients(before, limit, at) {
      return removeUnused.immediate(before, limit, at)
    },
  }
}
