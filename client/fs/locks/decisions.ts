/** The server tells when a lock is decided; should that be lost, it is asked. */
const ASK_AGAIN_MILLISECONDS = 3_000

/** Requests for locks that wait to be decided. */
export class Decisions {
  readonly #waiting = new Map<string, () => void>()

  /** The stream of changes tells that one is. */
  made(request: string): void {
    this.#waiting.get(request)?.()
  }

  /** What was told while the stream was away is not told again. */
  mayBeMade(): void {
    for (const end of [...this.#waiting.values()]) end()
  }

  /** Resolves when there may be something new about a request, or the signal aborts. */
  about(request: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        this.#waiting.delete(request)
        resolve()
      }
      const timer = setTimeout(end, ASK_AGAIN_MILLISECONDS)
      this.#waiting.set(request, end)
      signal.addEventListener('abort', end)
      if (signal.aborted) end()
    })
  }
}
