import type { Database } from './database.js'
import { oneEach } from './one-each.js'

/** Tables that are read far more often than they change, and what of them counts as a change. */
const WATCHED = {
  /** Who may do what: clients, accounts, and what was revoked. That a grant is used changes nothing of that. */
  access: [
    'INSERT ON clients',
    'UPDATE ON clients',
    'DELETE ON clients',
    'INSERT ON users',
    'UPDATE ON users',
    'DELETE ON users',
    'UPDATE OF revoked_at ON grants',
    'DELETE ON grants',
    'INSERT ON revoked_tokens',
  ],
  attempts: ['INSERT ON attempts', 'UPDATE ON attempts', 'DELETE ON attempts'],
} as const
export type Watched = keyof typeof WATCHED

/** What another process changes counts after so long at the latest. */
const BELIEVED_MILLISECONDS = 1

/**
 * Tells whether what was read may still be believed: a number that is another one as soon as the tables may have changed,
 * by whichever process. What this connection changes is told by triggers, so that no statement can be forgotten; of all
 * others SQLite tells by `PRAGMA data_version`, at a fraction of a query.
 */
export class Epochs {
  readonly #dataVersion
  readonly #numbers: Record<Watched, number> = { access: 0, attempts: 0 }
  #others = 0
  #seen: number | undefined
  /** By performance.now(). */
  #believedUntil = 0

  constructor(database: Database) {
    this.#dataVersion = database.prepare<[], number>('PRAGMA data_version').pluck()
    database.function('coffer_changed', (watched: Watched) => {
      this.#numbers[watched] += 1
      return null
    })
    for (const [watched, changes] of Object.entries(WATCHED)) {
      changes.forEach((change, index) => {
        database.exec(`CREATE TEMP TRIGGER ${watched}_${index} AFTER ${change.replace(' ON ', ' ON main.')}
          BEGIN SELECT coffer_changed('${watched}'); END`)
      })
    }
  }

  now(watched: Watched): number {
    this.#look()
    return this.#numbers[watched] + this.#others
  }

  /** Not for each request: looking takes SQLite two system calls, as much time as all else that lets a request in. */
  #look(): void {
    const now = performance.now()
    if (now < this.#believedUntil) return
    this.#believedUntil = now + BELIEVED_MILLISECONDS
    const version = this.#dataVersion.get()
    if (version === this.#seen) return
    this.#seen = version
    this.#others += 1
  }
}

export const epochsOf = oneEach((database) => new Epochs(database))
