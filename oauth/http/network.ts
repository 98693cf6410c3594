import { isIPv6 } from 'node:net'

const GROUPS = 8
/** Hexadecimal digits of a /56: what a customer gets, and may change the rest of at will. */
const PREFIX_DIGITS = 14

/** Whose address it is, for limits: an IPv4 address as it is, an IPv6 address by its network. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [plain = ''] = address.split('%')
  if (!isIPv6(plain) || plain.includes('.')) return plain
  const [head = '', tail] = plain.split('::')
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter(Boolean))
  const missing = GROUPS - (before?.length ?? 0) - (after?.length ?? 0)
  const zeros = Array.from({ length: missing }, () => '0')
  const groups = [...(before ?? []), ...zeros, ...(after ?? [])]
  const digits = groups.map((group) => group.padStart(4, '0')).join('')
  return `${digits.slice(0, PREFIX_DIGITS).toLowerCase()}/56`
}
