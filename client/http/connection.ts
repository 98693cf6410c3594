import type { NoAnswer } from './exchange.js'

/** The number of an exchange, in the order in which they began. */
export type Begun = number

/** Between two tries while the server is away; just after it went, they are closer together. */
const MOST_BETWEEN_MILLISECONDS = 500
const BETWEEN_PART = 1 / 8

/** Whether the server can be reached, as far as the newest exchange told. One for each mount. */
export class Connection {
  readonly #clock: () => number
  #begun: Begun = 0
  /** The newest one that brought an answer. */
  #answered: Begun = 0
  #awaySince: number | undefined
  #triedAt = Number.NEGATIVE_INFINITY
  #trouble: string | undefined
  #isUntrusted = false
  #wasGivenUp = false
  #hasEnded = false
  #incompatible: { readonly since: number; readonly trouble: string } | undefined
  #notice: (state: ConnectionState) => void

  constructor(clock: () => number, notice: (state: ConnectionState) => void = () => {}) {
    this.#clock = clock
    this.#notice = notice
  }

  get state(): ConnectionState {
    if (this.#incompatible !== undefined) return { kind: 'incompatible', ...this.#incompatible }
    return this.#awaySince === undefined
      ? { kind: 'connected' }
      : {
          kind: this.#isUntrusted ? 'untrusted' : 'away',
          since: this.#awaySince,
          trouble: this.trouble,
        }
  }

  /** Whether it is worth asking now: where many wait for a server that is away, one asks for all. */
  mayTry(): boolean {
    if (this.#awaySince === undefined || this.#isUntrusted) return true
    const now = this.#clock()
    const between = Math.min((now - this.#awaySince) * BETWEEN_PART, MOST_BETWEEN_MILLISECONDS)
    if (now - this.#triedAt < between) return false
    this.#triedAt = now
    return true
  }

  /** Why the server is away, if it is. */
  get trouble(): string {
    return this.#trouble ?? ''
  }

  begin(): Begun {
    this.#begun += 1
    return this.#begun
  }

  reached(exchange: Begun): void {
    if (exchange > this.#answered) this.#answered = exchange
    if (this.#awaySince === undefined) return
    this.#awaySince = undefined
    this.#isUntrusted = false
    this.#wasGivenUp = false
    this.#notice(this.state)
  }

  /** What failed, but began before something that succeeded, tells nothing new; whoever tries it again will know. */
  missed(trouble: string, why: NoAnswer, exchange: Begun): void {
    if (exchange < this.#answered) return
    this.#trouble = trouble
    const before = this.state.kind
    this.#isUntrusted = why === 'untrusted'
    this.#awaySince ??= this.#clock()
    if (this.state.kind !== before) this.#notice(this.state)
  }

  /** The server speaks another version of the protocol, however well it is reached. */
  notUnderstood(trouble: string): void {
    if (this.#incompatible !== undefined) return
    this.#incompatible = { since: this.#clock(), trouble }
    this.#notice(this.state)
  }

  /** It speaks ours. */
  understood(): void {
    if (this.#incompatible === undefined) return
    this.#incompatible = undefined
    this.#notice(this.state)
  }

  /** An operation waited in vain: the next one need not wait as long. */
  givenUp(): void {
    this.#wasGivenUp = true
  }

  /** Nobody is to be asked any more. */
  end(): void {
    this.#hasEnded = true
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  isAwayFor(milliseconds: number): boolean {
    if (this.#awaySince === undefined) return false
    return this.#wasGivenUp || this.#clock() - this.#awaySince > milliseconds
  }

  get now(): number {
    return this.#clock()
  }
}

export type ConnectionState =
  | { readonly kind: 'connected' }
  | {
      /** `untrusted`: something answers whose certificate is not trusted; `incompatible`: it is of another version. */
      readonly kind: 'away' | 'untrusted' | 'incompatible'
      readonly since: number
      readonly trouble: string
    }
