/** The stream of changes. A leaf module: it imports nothing but types of other leaves. */

import type { WirePlace } from './inodes.js'

/**
 * The data of a `change` event of GET /changes. Other events: `ready` (the stream begins after `newest`; with WireChangesReady) and `reset`
 * (changes were missed that are no longer kept: forget every cached thing, go on from `newest`; with WireChangesStart).
 */
export type WireChange = {
  /** Also the event's id: counts up by one within the user's tree. */
  seq: number
  /** Seconds since the epoch. */
  at: number
  ino: number
  /** The connection that made it, if it named itself. */
  origin?: string
} & (
  | {
      /** A name appeared or went. */
      kind: 'make' | 'remove'
      place: WirePlace
    }
  | {
      kind: 'rename'
      from: WirePlace
      to: WirePlace
      /** The inode whose name was replaced, or that stands at `from` now. */
      replaced?: number
      exchanged?: number
    }
  | {
      /** `content`: bytes and attributes; `attributes`: those alone, extended ones included. */
      kind: 'content' | 'attributes'
      /** Some name of it, if it has one. */
      place?: WirePlace
    }
)

export interface WireChangesStart {
  newest: number
}

export interface WireChangesReady extends WireChangesStart {
  /** Of the server's process: another one may have begun from an earlier state of its disk. */
  run: string
}
