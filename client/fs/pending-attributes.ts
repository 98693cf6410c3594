import type { WireAttributeChanges, WireTime } from '../../server/wire.js'
import { isTime, localTime } from './time.js'

type ShownChanges = Omit<WireAttributeChanges, 'size' | 'atime' | 'mtime'> & {
  atime?: WireTime
  mtime?: WireTime
}

/** Changes as attributes, with "now" as this machine's clock has it. */
export function shownChanges({
  size: _,
  mtime,
  atime,
  ...rest
}: WireAttributeChanges): ShownChanges {
  return {
    ...rest,
    ...(mtime === undefined ? {} : { mtime: isTime(mtime) ? mtime : localTime() }),
    ...(atime === undefined ? {} : { atime: isTime(atime) ? atime : localTime() }),
  }
}

/** Attributes that were set and are not yet on the server. */
export class PendingAttributes {
  #changes: WireAttributeChanges = {}

  get isEmpty(): boolean {
    return Object.keys(this.#changes).length === 0
  }

  get shown(): ShownChanges {
    return shownChanges(this.#changes)
  }

  set(changes: WireAttributeChanges): void {
    this.#changes = { ...this.#changes, ...changes }
  }

  /** A write sets the time anew (write(2)): what was set before no longer counts. */
  written(): void {
    delete this.#changes.mtime
  }

  take(): WireAttributeChanges {
    const changes = this.#changes
    this.#changes = {}
    return changes
  }

  /** They could not be sent: they wait again, under what was set since. The size is told by the content. */
  putBack({ size: _, ...changes }: WireAttributeChanges): void {
    this.#changes = { ...changes, ...this.#changes }
  }
}
