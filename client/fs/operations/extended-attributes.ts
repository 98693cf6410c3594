import { refusal } from '../answer.js'

/** Namespaces kept on the server (xattr(7)). */
const KEPT = ['user.', 'trusted.']

/** One for all: cp -a asks for every file. */
const NOT_KEPT = refusal('ENOTSUP', `only extended attributes ${KEPT.join(', ')} are kept`)

const NAMELESS = refusal('EINVAL', 'an extended attribute has a name after its namespace')

/** No file has it. The kernel asks for capabilities before the first write to every file. */
export function isNeverSet(name: string): boolean {
  return name.startsWith('security.')
}

/** Only what means the same on every machine is kept: no ACLs, capabilities or labels of one machine's kernel. */
export function refuseForeignNamespace(name: string): void {
  const namespace = KEPT.find((prefix) => name.startsWith(prefix))
  if (namespace === undefined) throw NOT_KEPT
  if (name === namespace) throw NAMELESS
}

/** Flags of setxattr(2). */
export function xattrMode(flags: number): 'create' | 'replace' | 'either' {
  if ((flags & 1) !== 0) return 'create'
  return (flags & 2) !== 0 ? 'replace' : 'either'
}
