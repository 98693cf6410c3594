/** Exchanges at the same time, as many as two readers with their longest windows have. */
const AT_ONCE = 8
/** So many of them may be for what is read ahead: on a slow link each takes long, and a program does not wait behind them. */
const AHEAD_AT_ONCE = 6

/** Whom an exchange is for: `ahead`, if nobody waits for it yet. */
export type Whose = 'program' | 'ahead'

/** Who may have a long exchange now; others wait in the order they come, programs first. */
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
    for (const whose of ['program', 'ahead'] as const) {
      for (;;) {
        const begin = this.#isFree(whose) ? this.#waiting[whose].shift() : undefined
        if (begin === undefined) break
        this.#taken[whose] += 1
        begin()
      }
    }
  }

  #isFree(whose: Whose): boolean {
    const { program, ahead } = this.#taken
    return program + ahead < AT_ONCE && (whose === 'program' || ahead < AHEAD_AT_ONCE)
  }
}
