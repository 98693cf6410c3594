/** Exchanges at the same time, as many as two readers with their longest windows have. */
const AT_ONCE = 8
/** So many of them may be for what is read ahead: on a slow link each takes long, and a program does not wait behind them. */
const AHEAD_AT_ONCE = 6
/** So few come before programs, which may be uploading without a pause: whoever reads on waits for what is read ahead. */
const AHEAD_AT_LEAST = 2

/** Whom an exchange is for: `ahead`, if nobody waits for it yet. */
export type Whose = 'program' | 'ahead'

/** Who may have a long exchange now; others wait in the order they come, programs mostly first. */
export class BulkTurns {
  readonly #taken: Record<Whose, number> = { program: 0, ahead: 0 }
  readonly #waiting: Record<Whose, (() => void)[]> = { program: [], ahead: [] }

  async take(whose: Whose): Promise<void> {
    const turn = new Promise<void>((begin) => this.#waiting[whose].push(begin))
    this.#next()
    await turn
  }

  give(whose: Whose): void {
    this.#taken[whose] -= 1
    this.#next()
  }

  #next(): void {
    for (;;) {
      const whose = this.#order().find((one) => this.#waiting[one].length > 0 && this.#isFree(one))
      if (whose === undefined) return
      this.#taken[whose] += 1
      this.#waiting[whose].shift()?.()
    }
  }

  #order(): readonly Whose[] {
    return this.#taken.ahead < AHEAD_AT_LEAST ? ['ahead', 'program'] : ['program', 'ahead']
  }

  #isFree(whose: Whose): boolean {
    const { program, ahead } = this.#taken
    return program + ahead < AT_ONCE && (whose === 'program' || ahead < AHEAD_AT_ONCE)
  }
}
