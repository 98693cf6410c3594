import { statSync } from 'node:fs'

/**
 * Whether a file with a secret can be read by others. One of root's is given to its reader by a group or an ACL, which the mode shows as
 * a group's (systemd does so with LoadCredential=, Kubernetes with its secrets): closed to that, it could not be read at all.
 */
export function isOpenToOthers(path: string): boolean {
  const { uid, mode } = statSync(path)
  const isGiven = uid === 0 && process.geteuid?.() !== 0
  return (mode & (isGiven ? 0o007 : 0o077)) !== 0
}
