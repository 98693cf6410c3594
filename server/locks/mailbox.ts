import type { LockSession } from './session.js'

/** What a client is told of its locks over its stream of changes. */
export type LockNews =
  | { readonly kind: 'lock'; readonly request: string; readonly decision: Decision }
  /** Others want the inode: the client gives back the right to decide for itself. */
  | { readonly kind: 'recall'; readonly ino: number }
  /** All changes up to this number have been told. */
  | { readonly kind: 'told'; readonly newest: number }

/** What became of a request that waited. */
export type Decision =
  | { readonly state: 'granted' }
  | { readonly state: 'refused'; readonly code: 'EAGAIN' | 'EDEADLK' | 'ENOLCK' }

/** More news than a client takes off is a client that does not read: it asks again by itself. */
const MOST_NEWS = 10_000

/** News for the streams of changes that are open, one box for each connection. */
export class Mailboxes {
  readonly #boxes = new Map<string, Set<Mailbox>>()

  /** For as long as the stream is open; `close` it afterwards. */
  open(user: string, connection: string): Mailbox {
    const key = keyOf(user, connection)
    const boxes = this.#boxes.get(key) ?? new Set()
    this.#boxes.set(key, boxes)
    const box = new Mailbox(() => {
      boxes.delete(box)
      if (boxes.size === 0 && this.#boxes.get(key) === boxes) this.#boxes.delete(key)
    })
    boxes.add(box)
    return box
  }

  has({ user, connection }: Pick<LockSession, 'user' | 'connection'>): boolean {
    return this.#boxes.has(keyOf(user, connection))
  }

  post({ user, connection }: Pick<LockSession, 'user' | 'connection'>, news: LockNews): void {
    for (const box of this.#boxes.get(keyOf(user, connection)) ?? []) box.put(news)
  }
}

/** A user's name may have any character, a connection's has no space. */
function keyOf(user: string, connection: string): string {
  return `${connection} ${user}`
}

export class Mailbox {
  readonly close: () => void
  #news: LockNews[] = []
  /** Called when something comes. */
  wake: () => void = () => {}

  constructor(close: () => void) {
    this.close = close
  }

  get isEmpty(): boolean {
    return this.#news.length === 0
  }

  put(news: LockNews): void {
    if (this.#news.length >= MOST_NEWS) return
    this.#news.push(news)
    this.wake()
  }

  take(): LockNews[] {
    const taken = this.#news
    this.#news = []
    return taken
  }
}
