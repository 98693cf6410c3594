import type { Soon } from '../../fuse/soon.js'
import type { RemoteFiles } from '../../remote/remote-files.js'

const FIRST_COUNT = 64
const LAST_COUNT = 1024

/**
 * Inode numbers set aside on the server: the kernel must know the number of a new file before the server has heard of the
 * file. Fetched ahead, more at a time while many are used.
 */
export class ReservedNumbers {
  readonly #files: RemoteFiles
  readonly #ranges: { next: number; end: number }[] = []
  #count = FIRST_COUNT
  #fetching: Promise<void> | undefined

  constructor(files: RemoteFiles) {
    this.#files = files
  }

  /** A number nobody else gets, or undefined where the server sets none aside. */
  take(): Soon<number | undefined> {
    return this.#left === 0 ? this.#fetch().then(() => this.#next()) : this.#next()
  }

  #next(): number | undefined {
    const [range] = this.#ranges
    if (range === undefined) return undefined
    const number = range.next++
    if (range.next === range.end) this.#ranges.shift()
    if (this.#left < this.#count / 2) void this.#fetch()
    return number
  }

  /** Sets the first numbers aside before anybody needs them, for the server may be away by then. */
  prepare(): void {
    void this.#fetch()
  }

  get #left(): number {
    return this.#ranges.reduce((sum, { next, end }) => sum + end - next, 0)
  }

  /** Failing is no harm: then files are made on the server at once. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#reserve()
      .catch(() => {})
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  async #reserve(): Promise<void> {
    const count = this.#count
    const first = await this.#files.reserve?.(count)
    if (first === undefined) return
    this.#ranges.push({ next: first, end: first + count })
    this.#count = Math.min(LAST_COUNT, count * 2)
  }
}
