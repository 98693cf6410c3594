import { registerClient } from '../../../oauth/index.js'
import { RESOURCE_SCOPES } from '../../../server/scopes.js'
import { CLIENTS } from './clients.js'
import type { Suite } from './suite.js'

/** Registers a native client as an administrator would; answers its client_id. */
export async function registered(
  { inside, target }: Suite,
  metadata: object,
  client_id?: string,
): Promise<string> {
  const { store, userId } = inside
  const sub = userId(target.users[0].username)
  const accounts = { claims: async (id: string) => (id === sub ? { sub } : undefined) }
  const registry = { store, accounts, scopes: RESOURCE_SCOPES, clock: () => new Date() }
  const options = client_id === undefined ? {} : { client_id }
  const { client } = await registerClient(registry, { ...CLIENTS.fuse, ...metadata }, options)
  return client.client_id
}

/** Registers one and removes it; the reason when it is refused. */
export async function refusalOf(
  suite: Suite,
  metadata: object,
  client_id?: string,
): Promise<string | undefined> {
  try {
    const made = await registered(suite, metadata, client_id)
    await suite.inside.store.removeClient(made, Date.now())
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
