import type { Database } from './database.js'
import { madeRoom } from './full-disk.js'
import { oneEach } from './one-each.js'

/** Steps of one transaction: it keeps the event loop for a few milliseconds at most. */
const STEPS_MAX = 200

interface Waiting {
  readonly changes: boolean
  /** Does the step, and gives back what tells its caller so once it is committed. */
  readonly perform: () => () => void
  readonly reject: (error: unknown) => void
}

/**
 * One transaction for what many requests do in one turn of the event loop: most of what a small one costs is its locks, its
 * commit, and pages that the next one changes again.
 *
 * The steps run one after another with nothing between them, each on what the one before has left, under the write lock of
 * the database: so each is atomic and linearizable, between processes too, as if it had a transaction to itself. Nobody
 * learns what became of a step before it is committed.
 */
export class GroupCommit {
  readonly #database: Database
  readonly #transaction
  readonly #commit = (): void => {
    const pause = this.#waiting.some(({ changes }) => changes) ? this.#pause() : undefined
    if (pause === undefined) this.#commitWaiting()
    else void pause.then(this.#commit)
  }
  #pause: () => Promise<void> | undefined = () => undefined
  #sync: () => Promise<void> = async () => {}
  readonly #listeners: ((changes: number) => void)[] = []
  #waiting: Waiting[] = []
  #hasBegun = false

  constructor(database: Database) {
    this.#database = database
    this.#transaction = database.transaction((steps: readonly Waiting[]) => {
      this.#hasBegun = true
      return steps.map(({ perform }) => perform())
    })
  }

  /** Tells after each transaction how many steps have changed something. */
  onCommit(listener: (changes: number) => void): void {
    this.#listeners.push(listener)
  }

  /** Changes wait while there is a pause, which is a short one. */
  waitFor(pause: () => Promise<void> | undefined): void {
    this.#pause = pause
  }

  /** How what is committed gets to the disk, where somebody sees to that. */
  syncBy(sync: () => Promise<void>): void {
    this.#sync = sync
  }

  /** Resolves once all that is committed survives loss of power, too. */
  synced(): Promise<void> {
    return this.#sync()
  }

  /** What `run` does, and it survives loss of power once it is answered. */
  async runDurably<T>(step: () => T): Promise<T> {
    const value = await this.run(step)
    await this.#sync()
    return value
  }

  /** What `step` returns, once it is committed. It is synchronous and does nothing but change the database. */
  run<T>(step: () => T): Promise<T> {
    return this.#wait(step, { changes: true })
  }

  /** The same for a step that only reads: by itself it waits for no lock. */
  read<T>(step: () => T): Promise<T> {
    return this.#wait(step, { changes: false })
  }

  #wait<T>(step: () => T, { changes }: Pick<Waiting, 'changes'>): Promise<T> {
    return new Promise((resolve, reject) => {
      const perform = () => {
        const value = step()
        return () => resolve(value)
      }
      if (this.#waiting.push({ changes, perform, reject }) === 1) setImmediate(this.#commit)
    })
  }

  #commitWaiting(): void {
    const steps = this.#waiting.splice(0, STEPS_MAX)
    if (this.#waiting.length > 0) setImmediate(this.#commit)
    this.#commitTogether(steps)
  }

  #commitTogether(steps: readonly Waiting[], mayMakeRoom = true): void {
    this.#hasBegun = false
    const changing = steps.filter(({ changes }) => changes).length
    let committed: (() => void)[]
    try {
      // A change that began as a reader could find that another process has changed something meanwhile.
      const begin = changing > 0 ? 'immediate' : 'deferred'
      committed = this.#transaction[begin](steps)
    } catch (error) {
      // Everything is undone.
      if (mayMakeRoom && madeRoom(this.#database, error)) {
        this.#commitTogether(steps, false)
        return
      }
      // One of them failed: each is done by itself, so that it fails alone.
      if (this.#hasBegun && steps.length > 1)
        for (const step of steps) this.#commitTogether([step], mayMakeRoom)
      else for (const { reject } of steps) reject(error)
      return
    }
    for (const tell of committed) tell()
    if (changing > 0) for (const listener of this.#listeners) listener(changing)
  }
}

export const groupCommitOf = oneEach((database) => new GroupCommit(database))
