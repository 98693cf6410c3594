import type { Node } from './filesystem.js'

/** After so long every program that we answered has run again, also on a busy machine. */
const TAKEN_MILLISECONDS = 1000

/**
 * The kernel takes up our answer when the program that asked for it runs again, and then believes it for as long as it says: also what it
 * was told to drop meanwhile. It sees that for attributes of an inode that it knows; a name that it looks up for the first time,
 * and pages, it keeps locked until then. It does not see it for a name that it asks for again, for the attributes of an inode that is new
 * to it, and for those that link(2) brings (Linux 6.18; before 6.16 setattr, too). So what it is told to drop so soon after an answer about the
 * same node it is told once more when that is taken up for sure.
 */
export class LateAnswers {
  readonly #clock: () => number
  /** Nodes that answers were about, since the last turn and before it. */
  #recent = new Set<Node>()
  #older = new Set<Node>()
  #turned: number
  /** What is to be told once more, the first first. */
  readonly #owed = new Map<string, { readonly due: number; readonly tell: () => void }>()
  #timer: NodeJS.Timeout | undefined

  constructor(clock: () => number) {
    this.#clock = clock
    this.#turned = clock()
  }

  /** The kernel has an answer about these nodes. */
  answered(nodes: readonly Node[]): void {
    this.#turn()
    for (const node of nodes) this.#recent.add(node)
  }

  /** The kernel is told to drop something of a node; `tell` does so once more. */
  told(node: Node, what: string, tell: () => void): void {
    const now = this.#turn()
    if (!this.#recent.has(node) && !this.#older.has(node)) return
    const key = `${node} ${what}`
    this.#owed.delete(key)
    this.#owed.set(key, { due: now + TAKEN_MILLISECONDS, tell })
    this.#wait()
  }

  /** Tells what is due. */
  tell(): void {
    const now = this.#clock()
    for (const [key, { due, tell }] of this.#owed) {
      // What is due later than that was owed before somebody set the clock back.
      if (due > now && due <= now + TAKEN_MILLISECONDS) return
      this.#owed.delete(key)
      tell()
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#owed.clear()
  }

  #wait(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.tell()
      if (this.#owed.size > 0) this.#wait()
    }, TAKEN_MILLISECONDS).unref()
  }

  /** @returns now, by a clock that somebody may set */
  #turn(): number {
    const now = this.#clock()
    const passed = Math.abs(now - this.#turned)
    if (passed < TAKEN_MILLISECONDS) return now
    this.#older = passed < 2 * TAKEN_MILLISECONDS ? this.#recent : new Set()
    this.#recent = new Set()
    this.#turned = now
    return now
  }
}
