import { FileError } from '../errors.js'
import type { InodeLocks, Waiting } from './inode-locks.js'

export const MOST_INODES = 10_000
/** Of one client, and of all of one user. */
const MOST_WAITING = 1_000
const MOST_OF_USER = 5_000
/** So many locks are looked at to find out whether a request would wait for ever; fcntl(2) of Linux follows ten that wait. */
const MOST_LOOKED_AT = 2_000

/** The requests of one user that wait, by who waits. */
export class Queues {
  readonly #waiting = new Map<string, Set<{ inode: InodeLocks; wanted: Waiting }>>()
  #count = 0

  /** @throws FileError ENOLCK */
  add(inode: InodeLocks, wanted: Waiting): void {
    const { session } = wanted
    if (this.#count >= MOST_OF_USER) {
      throw new FileError('ENOLCK', 'the clients of this user wait for too many locks')
    }
    if (session.waiting >= MOST_WAITING || session.inodes.size >= MOST_INODES) {
      throw new FileError('ENOLCK', 'this client waits for too many locks')
    }
    this.#count += 1
    session.waiting += 1
    session.inodes.add(inode.ino)
    inode.queue.push(wanted)
    const { owner } = wanted.lock
    const all = this.#waiting.get(owner) ?? new Set()
    this.#waiting.set(owner, all)
    all.add({ inode, wanted })
  }

  remove(inode: InodeLocks, wanted: Waiting): void {
    this.#count -= 1
    wanted.session.waiting -= 1
    inode.queue.splice(inode.queue.indexOf(wanted), 1)
    const { owner } = wanted.lock
    const all = this.#waiting.get(owner)
    for (const one of all ?? []) if (one.wanted === wanted) all?.delete(one)
    if (all?.size === 0) this.#waiting.delete(owner)
  }

  /**
   * Whether waiting would never end: someone it waits for waits, in the end, for its own owner (fcntl(2), EDEADLK). Where that takes
   * too long to find out it waits: who has thousands of locks must not keep everybody else waiting.
   */
  isDeadlock(inode: InodeLocks, wanted: Waiting): boolean {
    let left = MOST_LOOKED_AT
    const mayLookAt = ({ held, queue }: InodeLocks) => {
      left -= held.size + queue.length
      return left >= 0
    }
    if (!mayLookAt(inode)) return false
    const seen = new Set<string>()
    // Who holds something is followed before who only waits there, too: of those may be many, and they wait for the same.
    const next = [...inode.blockers(wanted)].toReversed()
    for (let blocker = next.pop(); blocker !== undefined; blocker = next.pop()) {
      const { owner } = blocker
      if (owner === wanted.lock.owner) return true
      if (seen.has(owner)) continue
      seen.add(owner)
      for (const other of this.#waiting.get(owner) ?? []) {
        if (other.wanted.lock.space !== 'posix' || !other.wanted.waits) continue
        if (!mayLookAt(other.inode)) return false
        next.push(...[...other.inode.blockers(other.wanted)].toReversed())
      }
    }
    return false
  }
}
