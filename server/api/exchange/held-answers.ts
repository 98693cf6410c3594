import type { Socket } from 'node:net'

/** Short answers have a quarter more room than long ones, and go before them. */
const SHORT_BYTES = 64 * 1024
const MORE_ROOM = 1.25

export interface HeldAnswersOptions {
  /** Of one user. */
  readonly bytes: number
  /** Who takes nothing for so long, while others of the same user wait, is cut. */
  readonly stalledMilliseconds: number
}

/**
 * Answers that were not taken yet, of all channels and batches of a user: they may have so many bytes together, and what
 * would become more waits. Other users never notice.
 */
export class HeldAnswers {
  readonly #options: HeldAnswersOptions
  readonly #users = new Map<string, Share>()

  constructor(options: HeldAnswersOptions) {
    this.#options = options
  }

  /** One more connection of a user; to be closed with it. */
  open(user: string, socket: Socket): Held {
    const share = this.#users.get(user) ?? new Share(this.#options)
    this.#users.set(user, share)
    return new Held(share, socket, () => {
      if (share.connections.size === 0) this.#users.delete(user)
    })
  }
}

interface Waiting {
  readonly held: Held
  readonly bytes: number
  readonly go: () => void
}

/** What the connections of one user share. */
class Share {
  readonly connections = new Set<Held>()
  readonly #options: HeldAnswersOptions
  #bytes = 0
  #waiting: Waiting[] = []

  constructor(options: HeldAnswersOptions) {
    this.#options = options
  }

  get isShort(): boolean {
    return this.#waiting.length > 0
  }

  get stalledMilliseconds(): number {
    return this.#options.stalledMilliseconds
  }

  count(bytes: number): void {
    this.#bytes += bytes
    if (bytes < 0 && this.#waiting.length > 0) this.#admit()
  }

  /** Whether an answer may be made now; what is alone always may. */
  hasRoom(bytes: number): boolean {
    if (this.#bytes === 0) return true
    const { bytes: most } = this.#options
    if (bytes <= SHORT_BYTES) return this.#bytes + bytes <= most * MORE_ROOM
    return this.#waiting.length === 0 && this.#bytes + bytes <= most
  }

  wait(waiting: Waiting): void {
    this.#waiting.push(waiting)
    if (this.#waiting.length > 1) return
    for (const held of this.connections) held.hurry()
  }

  leave(held: Held): void {
    this.connections.delete(held)
    this.#waiting = this.#waiting.filter((one) => one.held !== held)
    this.#admit()
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const fits = this.#bytes === 0 || this.#bytes + first.bytes <= this.#options.bytes
      if (!fits) return
      this.#waiting.shift()
      first.held.count(first.bytes)
      first.go()
    }
    for (const held of this.connections) held.relax()
  }
}

/** What one connection holds. */
export class Held {
  readonly #share: Share
  readonly #socket: Socket
  readonly #left: () => void
  #bytes = 0
  #isSending = false
  #isClosed = false
  /** Of the connection, when it is not hurried. */
  #usualTimeout: number | undefined
  #refuse: ((reason: Error) => void) | undefined

  constructor(share: Share, socket: Socket, left: () => void) {
    this.#share = share
    this.#socket = socket
    this.#left = left
    share.connections.add(this)
  }

  /** Makes room for an answer, if there is some now. */
  tryTake(bytes: number): boolean {
    if (!this.#share.hasRoom(bytes)) return false
    this.count(bytes)
    return true
  }

  /** Waits for room. Whoever waits has sent all answers it has. @throws once the connection is gone */
  take(bytes: number): Promise<void> {
    return new Promise((go, refuse) => {
      if (this.#isClosed) return refuse(disconnected())
      if (this.tryTake(bytes)) return go()
      this.#refuse = refuse
      this.#share.wait({ held: this, bytes, go })
    })
  }

  /** More, or (negative) less: an answer has another length than was expected, or has been taken. */
  count(bytes: number): void {
    if (this.#isClosed) return
    this.#bytes += bytes
    this.#share.count(bytes)
  }

  /** From now on it is the client's turn. */
  sending(): void {
    this.#isSending = true
    if (this.#share.isShort) this.hurry()
  }

  sent(bytes: number): void {
    this.relax()
    this.#isSending = false
    this.count(-bytes)
  }

  /** Others wait: the client has to take something soon, if it is its turn. */
  hurry(): void {
    if (!this.#isSending || this.#usualTimeout !== undefined) return
    this.#usualTimeout = this.#socket.timeout ?? 0
    this.#socket.setTimeout(this.#share.stalledMilliseconds)
  }

  relax(): void {
    if (this.#usualTimeout === undefined) return
    this.#socket.setTimeout(this.#usualTimeout)
    this.#usualTimeout = undefined
  }

  close(): void {
    if (this.#isClosed) return
    this.relax()
    this.count(-this.#bytes)
    this.#isClosed = true
    this.#share.leave(this)
    this.#refuse?.(disconnected())
    this.#left()
  }
}

function disconnected(): Error {
  return Object.assign(new Error('the client went away'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
