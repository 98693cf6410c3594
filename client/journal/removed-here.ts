import type { Journal } from './journal.js'
import type { UnsentFile } from './unsent-file.js'
import type { UnsentFiles } from './unsent-files.js'

/** Files that wait in a journal and were removed by programs of this machine. */
export class RemovedHere {
  readonly #unsent: UnsentFiles
  readonly #journals: readonly Journal[]
  readonly #removing = new Set<Promise<unknown>>()

  constructor(unsent: UnsentFiles, journals: readonly Journal[]) {
    this.#unsent = unsent
    this.#journals = journals
  }

  /** Its last name was removed here: the journal must not bring it back. */
  unname(file: UnsentFile): void {
    if (file.isNameless) return
    file.queue[0]?.journal?.note({ kind: 'nameless', ino: file.ino })
    this.#unsent.unname(file)
  }

  /** Gives up what was not sent of a file. */
  cancel(file: UnsentFile): void {
    this.unname(file)
    while (file.queue[0] !== undefined) {
      const { journal, change } = file.queue[0]
      journal?.takenBack(change.id)
      this.#unsent.removeFirst(file, undefined)
    }
  }

  /** Resolves once loss of power brings nothing of it back: before the server is told what programs have done after that. */
  async kept(): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.kept()))
  }

  /** Whoever finds a file gone waits for the end of this: it tells whether it went here. */
  removing<T>(remove: () => Promise<T>): Promise<T> {
    const removed = remove().finally(() => this.#removing.delete(removed))
    this.#removing.add(removed)
    return removed
  }

  /** Resolves once all that is being removed is. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#removing)
  }
}
