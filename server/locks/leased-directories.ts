import type { LockSessionRecords } from '../database/lock-sessions.js'

/** Directories of one user whose names are leased, and to which client. It outlives the process: what was given there locally is not known here. */
export class LeasedDirectories {
  readonly #user: string
  readonly #records: LockSessionRecords
  readonly #holders: Map<number, string>

  constructor(user: string, records: LockSessionRecords, before: ReadonlyMap<number, string>) {
    this.#user = user
    this.#records = records
    this.#holders = new Map(before)
  }

  holder(directory: number): string | undefined {
    return this.#holders.get(directory)
  }

  add(directory: number, connection: string): void {
    if (this.#holders.get(directory) === connection) return
    this.#records.lease(this.#user, connection, directory)
    this.#holders.set(directory, connection)
  }

  drop(directory: number): void {
    if (this.#holders.delete(directory)) this.#records.unlease(this.#user, directory)
  }

  dropWhere(isOver: (holder: string, directory: number) => boolean): void {
    for (const [directory, holder] of this.#holders) {
      if (isOver(holder, directory)) this.drop(directory)
    }
  }
}
