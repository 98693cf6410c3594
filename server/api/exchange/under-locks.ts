import type { Locks } from '../../locks/locks.js'
import type { Ino, Origin, Tree } from '../../storage/storage.js'

interface Writer {
  readonly tree: Tree
  readonly origin: Origin
  readonly locks: Locks
}

/**
 * Refuses what was written under a lock that went to another client: at once, and in the step that makes the change, too, since the
 * lock may go while the content comes. @throws FileError ESTALE
 */
export function underLocks({ tree, origin, locks }: Writer, ino: Ino): Origin {
  const { connection } = origin
  if (connection === undefined) return origin
  const mustHold = () => locks.refuseFenced(tree.owner, connection, ino)
  mustHold()
  return {
    ...origin,
    mustBeWanted() {
      origin.mustBeWanted?.()
      mustHold()
    },
  }
}
