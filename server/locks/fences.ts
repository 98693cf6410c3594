import type { LockSessionRecords } from '../database/lock-sessions.js'
import { MOST_INODES } from './queues.js'

/** Clients of one user that lost locks and have not come back to hear of it. */
const MOST_CLIENTS = 1_000
/** Of all of them together: they are in memory, and all are read when the server starts. */
const MOST_OF_USER = 100_000
/** No inode has this number: among those of a client it says that nobody knows which ones it had locks of. */
const UNKNOWN = 0

/**
 * Where clients may not write that lost their locks to others, until they have heard of it. Of what they had before a restart nobody
 * knows: there it is each inode of which others got a lock since. It outlives the process: what was written may come after that.
 */
export class Fences {
  readonly #user: string
  readonly #records: LockSessionRecords
  readonly #inodes: Map<string, Set<number>>

  constructor(user: string, records: LockSessionRecords, before: Map<string, Set<number>>) {
    this.#user = user
    this.#records = records
    this.#inodes = new Map(before)
  }

  get isEmpty(): boolean {
    return this.#inodes.size === 0
  }

  has(connection: string): boolean {
    return this.#inodes.has(connection)
  }

  isFenced(connection: string, ino: number): boolean {
    return this.#inodes.get(connection)?.has(ino) === true
  }

  add(connection: string, inodes: ReadonlySet<number>): void {
    this.#inodes.set(connection, new Set(inodes))
    this.#records.fence(this.#user, connection, inodes)
    this.#removeOldest()
  }

  addUnknown(connection: string): void {
    this.add(connection, new Set([UNKNOWN]))
  }

  /** Somebody has got a lock of it. */
  taken(ino: number): void {
    for (const [connection, inodes] of this.#inodes) {
      if (!inodes.has(UNKNOWN) || inodes.has(ino) || inodes.size >= MOST_INODES) continue
      inodes.add(ino)
      this.#records.fence(this.#user, connection, [ino])
    }
    this.#removeOldest()
  }

  remove(connection: string): void {
    if (this.#inodes.delete(connection)) this.#records.unfence(this.#user, connection)
  }
  #removeOldest(): void {
    let count = 0
    for (const inodes of this.#inodes.values()) count += inodes.size
    for (const [connection, inodes] of this.#inodes) {
      if (this.#inodes.size <= MOST_CLIENTS && count <= MOST_OF_USER) return
      count -= inodes.size
      this.remove(connection)
    }
  }
}
