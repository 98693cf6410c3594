import type { OutgoingHttpHeaders } from 'node:http'
import type { Origin, Tree } from '../../storage/storage.js'
import { HEADERS } from '../../wire/headers.js'

/**
 * A name that was given may be a lock to the program that gave it, which then reads what others did before. The stream of changes
 * tells its mount of that, but on another connection than the answer comes by: so the answer says how much there is to hear.
 */
export function othersBefore(tree: Tree, { connection }: Origin): { readonly others?: number } {
  const others = connection === undefined ? undefined : tree.changes.newestOfOthers(connection)
  return others === undefined ? {} : { others }
}

/** The same as a header field. */
export function othersField(tree: Tree, origin: Origin): OutgoingHttpHeaders {
  const { others } = othersBefore(tree, origin)
  return others === undefined ? {} : { [HEADERS.others]: String(others) }
}
