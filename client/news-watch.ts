import type { RemoteFiles, RemoteNews } from './remote-files.js'

/** Whether the server tells this mount of others' changes at once. */
export class NewsWatch {
  #isLive = false

  get isLive(): boolean {
    return this.#isLive
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
        yield item
      }
    } finally {
      this.#isLive = false
    }
  }
}
