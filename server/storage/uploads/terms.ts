import type { Ino, NewAttributes, Origin, Place, Precondition } from '../storage.js'
import type { Resumed } from './resumable.js'

/** What is known about an upload beforehand. */
export interface Expected {
  readonly size?: number
  readonly replaces?: Ino | 'nothing'
  /** It goes on with this one. */
  readonly resumed?: Resumed
}

/** How its content is to become a file. */
export interface Committing {
  readonly target: Place | Ino
  readonly attributes: Partial<NewAttributes>
  readonly precondition: Precondition
  readonly origin: Origin
}
