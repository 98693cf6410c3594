import type { WireChange } from '../../server/wire/changes.js'
import type { RemoteFiles, RemoteNews } from '../remote/remote-files.js'

/** Whether the server tells this mount of others' changes at once, and whether the folder that it shows is still there. */
export class NewsWatch {
  readonly #root: number
  readonly #rootRemoved: () => void
  #isLive = false
  #isRootGone = false
  #settled: () => void = () => {}
  readonly #first = new Promise<void>((resolve) => {
    this.#settled = resolve
  })

  /** @param rootRemoved told once, when that folder is removed */
  constructor(root: number, rootRemoved: () => void) {
    this.#root = root
    this.#rootRemoved = rootRemoved
  }

  get isLive(): boolean {
    return this.#isLive
  }

  get isRootGone(): boolean {
    return this.#isRootGone
  }

  /** Resolves once the stream is connected for the first time, or failed to, or has had its time. */
  async begun(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds)
    })
    await Promise.race([this.#first, late])
    clearTimeout(timer)
  }

  /** The same files, with an eye on their stream of changes. */
  over(files: RemoteFiles): RemoteFiles {
    const { changes } = files
    if (changes === undefined) return files
    return { ...files, changes: (signal) => this.#watched(changes.call(files, signal)) }
  }

  async *#watched(news: AsyncIterable<RemoteNews>): AsyncGenerator<RemoteNews> {
    try {
      for await (const item of news) {
        if (item.kind === 'connected') this.#isLive = true
        if (item.kind === 'lost') this.#isLive = false
        if (item.kind === 'change') this.#changed(item.change)
        yield item
        // Only now whoever listens has taken it in.
        this.#settled()
      }
    } finally {
      this.#isLive = false
      this.#settled()
    }
  }

  #changed(change: WireChange): void {
    if (removedBy(change) !== this.#root || this.#isRootGone) return
    this.#isRootGone = true
    this.#rootRemoved()
  }
}

/** What lost a name: of a directory, which has one, it was the last. */
function removedBy(change: WireChange): number | undefined {
  if (change.kind === 'rename') return change.replaced
  return change.kind === 'remove' ? change.ino : undefined
}
