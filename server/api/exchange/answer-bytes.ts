/** How long the answers of operations may become. */

export const MAX_READ_BYTES = 4 * 1024 * 1024
export const PAGE_ENTRIES = 1000
export const MAX_ENTRIES = 10_000
export const MAX_REMOVALS = 256
/** A page of a directory ends here, too: its entries may be symlinks with long texts. */
export const MAX_PAGE_BYTES = 8 * 1024 * 1024
const ENTRY_BYTES = 1024

/** About how many bytes the answer may have, before anybody has looked at the operation; the usual few hundred are none. */
export function expectedBytes(header: Readonly<Record<string, unknown>>): number {
  switch (header.op) {
    case 'read':
    case 'readAll':
      return within(header.bytes, MAX_READ_BYTES, MAX_READ_BYTES)
    case 'list':
      return within(header.limit, PAGE_ENTRIES, MAX_ENTRIES) * ENTRY_BYTES
    case 'removeAll':
      return MAX_REMOVALS * ENTRY_BYTES
    default:
      return 0
  }
}

function within(value: unknown, usual: number, most: number): number {
  return typeof value === 'number' && value >= 0 ? Math.min(value, most) : usual
}
