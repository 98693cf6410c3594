import { z } from 'zod'
import { jsonOrNothing } from './account.js'

const CLAIMS = z.object({ sub: z.string().min(1).max(255) })

/**
 * Whose login it is (OpenID Connect Core section 2), as the token endpoint said over TLS, so that the signature need not be
 * looked at (section 3.1.3.7). Only for telling one account from another, never for letting anybody in.
 */
export function subjectOf(id_token: string): string | undefined {
  const [, payload = ''] = id_token.split('.')
  const claims = CLAIMS.safeParse(jsonOrNothing(Buffer.from(payload, 'base64url').toString()))
  return claims.success ? claims.data.sub : undefined
}
