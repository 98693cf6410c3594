import type { WireOperation } from '../../server/wire/operations.js'
import { RemoteError } from '../remote-error.js'
import type { Reply } from './channel.js'
import type { RemoteFiles, RemoteRemoval, RemovalOutcome } from './remote-files.js'
import { refused } from './wire-answer.js'
import { checkedAttributes } from './wire-attributes.js'

/** A header has at most 64 KiB; a character of a name takes up to six bytes of it. */
const HEADER_BYTES = 60 * 1024
const CHARACTER_BYTES = 6
const REMOVAL_BYTES = 100

/** As many in a row as one request takes. */
export function* together(removals: readonly RemoteRemoval[]): Generator<RemoteRemoval[]> {
  let some: RemoteRemoval[] = []
  let bytes = 0
  for (const removal of removals) {
    const more = REMOVAL_BYTES + CHARACTER_BYTES * removal.name.length
    if (bytes + more > HEADER_BYTES) {
      yield some
      some = []
      bytes = 0
    }
    some.push(removal)
    bytes += more
  }
  if (some.length > 0) yield some
}

export function removeAll(removals: readonly RemoteRemoval[]): WireOperation {
  return {
    op: 'removeAll',
    removals: removals.map(({ directory, name, kind }) => ({ place: { directory, name }, kind })),
  }
}

/** What `removeAll` answered of so many. @throws RemoteError EIO if it does not say that of each */
export function outcomes({ result }: Reply, count: number): RemovalOutcome[] {
  const removed = result.outcome === 'done' ? (result.removed ?? []) : []
  if (!Array.isArray(removed) || removed.length !== count) {
    throw new RemoteError('EIO', 'the answer does not say what became of each removal')
  }
  return removed.map((one) => {
    if ('attributes' in one) {
      return { status: 'fulfilled', value: checkedAttributes(one.attributes) }
    }
    return { status: 'rejected', reason: refused(one) }
  })
}

export async function removedOneByOne(
  files: RemoteFiles,
  removals: readonly RemoteRemoval[],
): Promise<RemovalOutcome[]> {
  const all: RemovalOutcome[] = []
  for (const { directory, name, kind, ino } of removals) {
    const removal = files.remove(directory, name, kind, { keep: false, ino })
    all.push(...(await Promise.allSettled([removal])))
  }
  return all
}
