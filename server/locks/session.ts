/** One connection of a client that has to do with locks, for as long as its lease is renewed. */
export interface LockSession {
  readonly user: string
  readonly connection: string
  leaseUntil: number
  /** What it is to give back, and until when: its lease is not renewed for longer before it does. */
  readonly recalled: Map<number, number>
  /** Where it holds something, waits, or decides for itself. */
  readonly inodes: Set<number>
  /** Locks it holds in the server's tables, and requests that wait. */
  held: number
  waiting: number
}
