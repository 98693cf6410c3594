import type { Grant } from '../../../oauth/index.js'
import type { Database } from '../database.js'
import { oneEach } from '../one-each.js'
import { WriteBehind } from '../write-behind.js'

interface Use {
  readonly at: number
  readonly address: string
}

const WRITE_AFTER_MILLISECONDS = 15_000
/** Uses that one transaction writes: it keeps the event loop for a few milliseconds at most. */
const WRITTEN_AT_ONCE = 500
/** A use that is so much younger than the one noted before makes no difference to people. */
const FINE_ENOUGH_MILLISECONDS = 1000

/**
 * When and from where grants were last used, for people: noted in memory and written down together a moment later, so that
 * no request costs a transaction. What a crash loses of it is a quarter of a minute.
 */
export class GrantUses {
  readonly #noted = new Map<string, Use>()
  readonly #writeAfter: number
  readonly #behind: WriteBehind
  #failed: (cause: unknown) => void = () => {}

  constructor(database: Database, writeAfterMilliseconds = WRITE_AFTER_MILLISECONDS) {
    this.#writeAfter = writeAfterMilliseconds
    const update = database.prepare(
      'UPDATE grants SET last_used_at = max(last_used_at, ?), last_used_from = ? WHERE grant_id = ?',
    )
    const write = database.transaction((uses: readonly (readonly [string, Use])[]) => {
      for (const [grantId, { at, address }] of uses) update.run(at, address, grantId)
    })
    const writeSome = () => {
      const uses = [...this.#noted].slice(0, WRITTEN_AT_ONCE)
      write.immediate(uses)
      for (const [grantId] of uses) this.#noted.delete(grantId)
      if (this.#noted.size > 0) this.#behind.in(0)
    }
    this.#behind = new WriteBehind(writeSome, (cause) => this.#failed(cause))
  }

  /** @param failed told once when they cannot be written down, and again only when that has worked meanwhile */
  whenFailing(failed: (cause: unknown) => void): void {
    this.#failed = failed
  }

  note(grantId: string, at: number, address: string): void {
    const noted = this.#noted.get(grantId)
    if (noted?.address === address && at - noted.at < FINE_ENOUGH_MILLISECONDS) return
    this.#noted.set(grantId, { at, address })
    this.#behind.in(this.#writeAfter)
  }

  /** The grant with its last use, written down or not. */
  current(grant: Grant): Grant {
    const noted = this.#noted.get(grant.grantId)
    if (noted === undefined || noted.at < grant.lastUsedAt) return grant
    return { ...grant, lastUsedAt: noted.at, lastUsedFrom: noted.address }
  }

  /** Writes down all that is noted. */
  flush(): void {
    while (this.#noted.size > 0) this.#behind.now()
  }
}

export const grantUsesOf = oneEach((database) => new GrantUses(database))
