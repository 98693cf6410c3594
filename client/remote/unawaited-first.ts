import type { Channels, ChosenChannel } from './channel.js'

/** How something is asked over a channel. */
export interface Turn {
  readonly ask: Channels['ask']
  /** Resolves once what must be done before is decided; undefined where there is nothing. */
  readonly before: Promise<void> | undefined
}

/**
 * Changes of which nobody waits for the end, and what is changed next: that goes out right behind them by the same channel, whose
 * operations the server carries out in their order. What that channel leaves undecided when it breaks goes another way only once the
 * changes before it are decided.
 */
export class UnawaitedFirst {
  readonly #channels: Pick<Channels, 'ask' | 'choose'>
  readonly #anyTurn: Turn
  #chosen: ChosenChannel | undefined
  #underWay = 0
  #decided: Promise<void> = Promise.resolve()

  constructor(channels: Pick<Channels, 'ask' | 'choose'>) {
    this.#channels = channels
    this.#anyTurn = {
      ask: (operation, content) => channels.ask(operation, content),
      before: undefined,
    }
  }

  /** For what is to be carried out after all of them that were asked for before. */
  turn(): Turn {
    if (this.#underWay === 0) return this.#anyTurn
    const chosen = this.#chosen
    // It may wait on the server until another machine gives names back, and that for what we send next: so nothing more goes there.
    this.#chosen = undefined
    return this.#behind(chosen)
  }

  #behind(chosen: ChosenChannel | undefined): Turn {
    const before = this.#decided
    return {
      ask: (operation, content) =>
        chosen === undefined || chosen.isOver
          ? before.then(() => this.#channels.ask(operation, content))
          : chosen.ask(operation, content),
      before,
    }
  }

  /** The same, for what goes by no channel. */
  async after<T>(carryOut: () => Promise<T>): Promise<T> {
    if (this.#underWay > 0) await this.#decided
    return carryOut()
  }

  /** Some of them, in a turn of their own. */
  first<T>(carryOut: (turn: Turn) => Promise<T>): Promise<T> {
    if (this.#underWay === 0) this.#chosen = this.#channels.choose()
    this.#underWay += 1
    const carriedOut = carryOut(this.#behind(this.#chosen)).finally(() => {
      this.#underWay -= 1
    })
    // Without what it came to: the next one would keep that, and so each all that were before it.
    this.#decided = Promise.allSettled([this.#decided, carriedOut]).then(() => {})
    return carriedOut
  }
}
