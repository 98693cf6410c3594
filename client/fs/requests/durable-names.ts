import type { RemoteFiles, WriteOptions } from '../../remote/remote-files.js'
import { type Ask, eachMethod } from './each-method.js'

/** Change nothing that fsync(2) of a directory is about. */
const NO_CHANGES: ReadonlySet<string> = new Set([
  'root',
  'stat',
  'made',
  'lookup',
  'list',
  'read',
  'readAll',
  'seek',
  'getXattr',
  'listXattrs',
  'totals',
  'reserve',
  'sent',
  'isAway',
])

/**
 * Knows when all names and attributes are on the server's disk already: with every answer that waits for the disk goes
 * what was answered before it (docs/file-api.md, "Durability"). Databases sync the directory after the file in it.
 */
export class DurableNames {
  readonly files: RemoteFiles
  readonly #remote: RemoteFiles
  /** Counts changes that were answered without waiting for the disk, and those of others. */
  #changes = 0
  /** So many of them are on the disk. */
  #durable = 0
  /** Changes of others are heard of. */
  #isTold = false

  constructor(remote: RemoteFiles) {
    this.#remote = remote
    this.files = eachMethod(remote, (name, ask) => this.#counted(name, ask))
  }

  /** fsync(2) of a directory. */
  async sync(directory: number): Promise<void> {
    const isDone = this.#isTold && this.#durable === this.#changes && this.#remote.journals !== true
    if (!isDone) await this.files.sync(directory)
  }

  #counted(name: string, ask: Ask): Ask | undefined {
    if (NO_CHANGES.has(name)) return undefined
    if (name === 'changes') return (signal) => this.#listen(signal as AbortSignal)
    return (...parameters) => {
      const before = this.#changes
      const isDurable = durability(name, parameters) === 'power'
      const done = ask(...parameters) as Promise<unknown>
      return done.then(
        (result) => {
          if (isDurable) this.#durable = Math.max(this.#durable, before)
          else this.#changes += 1
          return result
        },
        (error: unknown) => {
          this.#changes += 1
          throw error
        },
      )
    }
  }

  async *#listen(signal: AbortSignal) {
    for await (const news of this.#remote.changes?.(signal) ?? []) {
      if (news.kind === 'connected') this.#isTold = true
      else if (news.kind === 'lost') this.#isTold = false
      else this.#changes += 1
      yield news
    }
    this.#isTold = false
  }
}

/** Where a change says how durable its answer is to be. */
const OPTIONS: Readonly<Record<string, number>> = { put: 3, write: 2, setAttributes: 2 }

function durability(name: string, parameters: readonly unknown[]) {
  if (name === 'sync') return 'power'
  const options = parameters[OPTIONS[name] ?? -1]
  return (options as Partial<WriteOptions> | undefined)?.durability
}
