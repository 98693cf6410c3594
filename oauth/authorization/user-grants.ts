/** What users see and take back: the devices and applications they let in. */
import type { Context } from '../context.js'
import type { Grant } from '../types.js'

export interface GrantView {
  readonly grant: Grant
  readonly client_name: string
}

export interface Grants {
  /** Newest first. */
  list(sub: string): Promise<readonly GrantView[]>
  /**
   * False when the user has no such living grant. Its application has to ask again. `address`: where the user is, for the
   * audit log.
   */
  revoke(sub: string, grantId: string, address: string): Promise<boolean>
  /** Everything of the user; how many ended. */
  revokeAll(sub: string, address: string): Promise<number>
}

export function grantsOf(context: Context): Grants {
  const { store, audit, now } = context
  return {
    async list(sub) {
      const grants = await store.grantsOf(sub, now())
      return Promise.all(
        grants.map(async (grant) => {
          const client = await store.client(grant.client_id)
          return { grant, client_name: client?.client_name ?? grant.client_id }
        }),
      )
    },
    async revoke(sub, grantId, address) {
      const grant = await store.grant(grantId)
      if (grant?.sub !== sub) return false
      const { client_id } = grant
      audit({
        type: 'grant.revoke',
        outcome: 'success',
        sub,
        client_id,
        grantId,
        address,
        detail: 'by the user',
      })
      await store.removeConsents(sub, client_id)
      return store.revokeGrant(grantId, now())
    },
    async revokeAll(sub, address) {
      await store.removeConsents(sub)
      const ended = await store.revokeGrantsOf(sub, now())
      audit({ type: 'grant.revoke', outcome: 'success', sub, address, detail: `all ${ended}` })
      return ended
    },
  }
}
