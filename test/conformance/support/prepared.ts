import { exportPKCS8 } from 'jose'
import { type Registry, registerClient } from '../../../oauth/index.js'
import { assertionKey, CLIENTS, type ClientName, type TestClient } from './clients.js'

/** Registers every client that the suite needs. */
export async function registerAll(registry: Registry): Promise<Record<ClientName, TestClient>> {
  const entries = await Promise.all(
    Object.entries(CLIENTS).map(async ([name, metadata]) => {
      const isKeyed = metadata.token_endpoint_auth_method === 'private_key_jwt'
      const key = isKeyed ? await assertionKey() : undefined
      const wanted = { ...metadata, jwks: key?.jwks }
      const { client, client_secret } = await registerClient(registry, wanted)
      const told = {
        client_id: client.client_id,
        ...(client_secret !== undefined && { client_secret }),
        ...(key !== undefined && { key: key.privateKey }),
      }
      return [name, told] as const
    }),
  )
  return Object.fromEntries(entries) as Record<ClientName, TestClient>
}

/** What COFFER_CONFORMANCE_CLIENTS must name: a client as the suite is told of it, keys as PEM. */
export async function written(
  clients: Readonly<Partial<Record<ClientName, TestClient>>>,
): Promise<string> {
  const entries = Object.entries(clients).map(async ([name, { key, ...told }]) => [
    name,
    { ...told, ...(key !== undefined && { key: await exportPKCS8(key) }) },
  ])
  return JSON.stringify(Object.fromEntries(await Promise.all(entries)), undefined, 2)
}
