import { refusal } from './answer.js'

/** Namespaces kept on the server (xattr(7)). */
const KEPT = ['user.', 'trusted.']

/** One each for all: the kernel asks before the first write to every file, and cp -a for every file. */
const NOT_SET = refusal('ENODATA', 'the attribute is not set')

const NOT_KEPT = refusal('ENOTSUP', `only extended attributes ${KEPT.join(', ')} are kept`)

/** Only what means the same on every machine is kept: no ACLs, capabilities or labels of one machine's kernel. */
export function refuseForeignNamespace(name: string, operation: 'get' | 'change'): void {
  if (KEPT.some((prefix) => name.startsWith(prefix))) return
  if (operation === 'get' && name.startsWith('security.')) {
    throw NOT_SET
  }
  throw NOT_KEPT
}

/** Flags of setxattr(2). */
export function xattrMode(flags: number): 'create' | 'replace' | 'either' {
  if ((flags & 1) !== 0) return 'create'
  return (flags & 2) !== 0 ? 'replace' : 'either'
}
