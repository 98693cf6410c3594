import { createHash } from 'node:crypto'

/**
 * The name by which a connection is known to all clients of its user, made of the secret it sends as `Coffer-Connection`: who is told
 * the name can do nothing with it. A leaf module: it imports nothing of ours.
 */
export function connectionOf(secret: string): string {
  return createHash('sha256').update(secret).digest().subarray(0, 16).toString('base64url')
}
