import type { RemoteNews } from '../remote/remote-files.js'

/** The server's stream of changes, with what this machine has to tell itself between. */
export class News {
  readonly #own: RemoteNews[] = []
  #wake: (() => void) | undefined
  #isHeard = false

  /** Dropped while nobody listens. */
  tell(news: RemoteNews): void {
    if (!this.#isHeard) return
    this.#own.push(news)
    this.#wake?.()
  }

  async *over(
    remote: AsyncIterable<RemoteNews> | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<RemoteNews> {
    this.#isHeard = true
    const stop = (): void => this.#wake?.()
    signal.addEventListener('abort', stop, { once: true })
    const theirs = remote?.[Symbol.asyncIterator]()
    try {
      let next = theirs?.next()
      while (!signal.aborted) {
        yield* this.#own.splice(0)
        const woken = new Promise<'woken'>((resolve) => {
          this.#wake = () => resolve('woken')
        })
        if (this.#own.length > 0 || signal.aborted) continue
        const heard = await Promise.race([woken, ...(next === undefined ? [] : [next])])
        if (heard === 'woken') continue
        if (heard.done === true) return
        next = theirs?.next()
        yield heard.value
      }
    } finally {
      this.#isHeard = false
      signal.removeEventListener('abort', stop)
      await theirs?.return?.()
    }
  }
}
