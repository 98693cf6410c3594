/** Who did not use for so long what was read ahead for it has it no more, once somebody else needs the memory. */
const IDLE_MILLISECONDS = 2000

export interface Holder {
  /** Something is on its way, or somebody waits for it. */
  readonly isBusy: boolean
  /** Gives back all that it holds. */
  drop(): void
}

interface Held {
  bytes: number
  usedAt: number
}

/** Memory of the whole mount for what is read ahead: a file that stays open, or was not read after all, keeps it from nobody. */
export class AheadMemory {
  readonly #limit: number
  readonly #now: () => number
  /** Who was not used for the longest time comes first. */
  readonly #holders = new Map<Holder, Held>()
  #bytes = 0

  constructor(limit: number, now: () => number) {
    this.#limit = limit
    this.#now = now
  }

  /** Takes the bytes only if they fit, at the expense of those who are idle. */
  tryTake(holder: Holder, bytes: number): boolean {
    if (this.#bytes + bytes > this.#limit) this.#dropIdle(bytes)
    if (this.#bytes + bytes > this.#limit) return false
    const held = this.#holders.get(holder)
    if (held === undefined) this.#holders.set(holder, { bytes, usedAt: this.#now() })
    else held.bytes += bytes
    this.#bytes += bytes
    return true
  }

  give(holder: Holder, bytes: number): void {
    const held = this.#holders.get(holder)
    if (held === undefined) return
    this.#bytes -= bytes
    held.bytes -= bytes
    if (held.bytes === 0) this.#holders.delete(holder)
  }

  /** A program reads what is held, or reads on behind it. */
  isUsed(holder: Holder): void {
    const held = this.#holders.get(holder)
    if (held === undefined) return
    this.#holders.delete(holder)
    held.usedAt = this.#now()
    this.#holders.set(holder, held)
  }

  #dropIdle(needed: number): void {
    const idleSince = this.#now() - IDLE_MILLISECONDS
    for (const [holder, { usedAt }] of this.#holders) {
      if (usedAt > idleSince || this.#bytes + needed <= this.#limit) return
      if (!holder.isBusy) holder.drop()
    }
  }
}
