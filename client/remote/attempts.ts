import { ABANDONED_AT_ONCE, HEADERS } from '../../server/wire/headers.js'
import { dropOldest } from '../drop-oldest.js'
import { type Answer, ExchangeError } from '../http/exchange.js'
import type { FrameConnection, FrameReceiver, OpenFrames } from '../http/frame-connection.js'

const MOST_ABANDONED = 1000

type Fields = Readonly<Record<string, string>>

/**
 * Names each request that changes something, and each channel, and tells the server which of them were given up: what a dead connection
 * still brings, perhaps much later, is then not done, for it would go over what was changed since.
 */
export class Attempts {
  #last = 0
  #lastChange = 0
  readonly #abandoned = new Set<string>()

  /** For a change that is the same in each attempt at it. */
  nameChange(): string {
    this.#lastChange += 1
    return String(this.#lastChange)
  }

  /** One request. */
  async request(send: (fields: Fields) => Promise<Answer>): Promise<Answer> {
    const attempt = this.#next()
    const abandoned = this.#told()
    try {
      const answer = await send(fieldsOf(attempt, abandoned))
      // A refusal may come from before where this is read.
      if (answer.status < 400) for (const one of abandoned) this.#abandoned.delete(one)
      return answer
    } catch (error) {
      if (!isUnseen(error)) this.#abandon(attempt)
      throw error
    }
  }

  /** One that asks what came of others: again, until the server has been told of all that were given up before. */
  async settling(send: (fields: Fields) => Promise<Answer>): Promise<Answer> {
    const before = [...this.#abandoned]
    for (;;) {
      const answer = await this.request(send)
      const isTold = before.every((one) => !this.#abandoned.has(one))
      if (isTold || answer.status >= 400) return answer
    }
  }

  /** A channel is one attempt at all that goes through it. */
  channel(open: (fields: Fields, receiver: FrameReceiver) => Promise<FrameConnection>): OpenFrames {
    return (receiver) => {
      const attempt = this.#next()
      return open(fieldsOf(attempt, this.#told()), {
        isWaiting: () => receiver.isWaiting(),
        came: (data) => receiver.came(data),
        over: (error) => {
          if (receiver.isWaiting()) this.#abandon(attempt)
          receiver.over(error)
        },
      })
    }
  }

  #next(): string {
    this.#last += 1
    return String(this.#last)
  }

  /** The newest: what is asked next is what one of these was about. */
  #told(): string[] {
    return [...this.#abandoned].slice(-ABANDONED_AT_ONCE)
  }

  #abandon(attempt: string): void {
    this.#abandoned.add(attempt)
    dropOldest(this.#abandoned, MOST_ABANDONED)
  }
}

function fieldsOf(attempt: string, abandoned: readonly string[]): Fields {
  const none = abandoned.length === 0
  return {
    [HEADERS.attempt]: attempt,
    ...(none ? {} : { [HEADERS.abandoned]: abandoned.join(', ') }),
  }
}

function isUnseen(error: unknown): boolean {
  return (
    error instanceof ExchangeError && (error.kind === 'unreachable' || error.kind === 'untrusted')
  )
}
