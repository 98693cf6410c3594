import { refusal } from '../answer.js'

/** Requests of one file: what must happen one after another, what is under way, and what of it failed unheard. */
export class RequestsUnderWay {
  readonly #underWay = new Set<Promise<void>>()
  #turn: Promise<void> = Promise.resolve()
  #error: unknown

  get count(): number {
    return this.#underWay.size
  }

  /** Runs after everything that was given before. */
  inTurn(work: () => Promise<unknown>): Promise<void> {
    const turn = this.#turn.then(work).then(() => {})
    this.#turn = turn.catch(() => {})
    return turn
  }

  add(request: Promise<void>): Promise<void> {
    const work = request.finally(() => this.#underWay.delete(work))
    this.#underWay.add(work)
    this.unheard(work)
    return work
  }

  /** Nobody waits for this work: its failure is told to the next who asks. */
  unheard(work: Promise<void>): void {
    work.catch((error) => {
      this.#error ??= error
    })
  }

  async one(): Promise<void> {
    await Promise.race(this.#underWay)
  }

  async all(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay)
  }

  forgetError(): void {
    this.#error = undefined
  }

  /** What failed unheard is told once. */
  throwError(): void {
    if (this.#error === undefined) return
    const error = this.#error
    this.#error = undefined
    throw error instanceof Error ? error : refusal('EIO', 'the file could not be sent')
  }
}
