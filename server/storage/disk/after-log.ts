/** What waits for a sync of the log that others ask for; after so long it is synced for this. */
const WAIT_MILLISECONDS = 1000

/**
 * What takes away bytes that the database no longer names. The database on the disk still names them until the log is synced: were
 * they gone before, loss of power would bring back the name without the bytes.
 */
export class AfterLog {
  readonly #sync: () => Promise<void>
  readonly #isUrgent: () => boolean
  #waiting: (() => void)[] = []
  /** Syncs under way that something was taken for. */
  #syncing = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * @param sync of the log, which calls `taken`, and waits for what is under way
   * @param isUrgent whether the room is needed at once
   */
  constructor(sync: () => Promise<void>, isUrgent: () => boolean) {
    this.#sync = sync
    this.#isUrgent = isUrgent
  }

  /** Does it once all that is committed by now is on the disk. */
  add(effect: () => void): void {
    this.#add(effect, this.#isUrgent() ? 0 : WAIT_MILLISECONDS)
  }

  #add(effect: () => void, milliseconds: number): void {
    this.#waiting.push(effect)
    this.#timer ??= setTimeout(() => void this.settle(), milliseconds).unref()
  }

  /** All that waits is done, unless the log cannot be synced: then it waits on. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length === 0 && this.#syncing === 0) return
    try {
      await this.#sync()
    } catch {
      // Whoever asks for it is told.
    }
  }

  /** What the sync that begins now is for. */
  taken(): (outcome: 'synced' | 'failed') => void {
    const effects = this.#waiting
    this.#waiting = []
    const some = effects.length > 0 ? 1 : 0
    this.#syncing += some
    return (outcome) => {
      this.#syncing -= some
      if (outcome === 'synced') for (const effect of effects) effect()
      // However urgent: a disk that fails does so again at once.
      else for (const effect of effects) this.#add(effect, WAIT_MILLISECONDS)
    }
  }
}
