import { createHash } from 'node:crypto'

/**
 * The name of a connection (`Coffer-Connection`) of which a client can prove later that it was its own: names are told to all clients of
 * the user, the secret to nobody. A leaf module: it imports nothing of ours.
 */
export function connectionOf(secret: string): string {
  return createHash('sha256').update(secret).digest().subarray(0, 16).toString('base64url')
}
