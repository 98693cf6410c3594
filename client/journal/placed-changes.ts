import type { Change } from './record.js'
import type { Segment } from './segment.js'

/** In which segments the changes stand that are not done. */
export class PlacedChanges {
  readonly #places = new Map<number, { segment: Segment; ino: number }>()

  get isEmpty(): boolean {
    return this.#places.size === 0
  }

  add({ id, ino }: Change, segment: Segment): void {
    segment.live.add(id)
    this.#places.set(id, { segment, ino })
  }

  /** The inode of a change. */
  inoOf(id: number): number | undefined {
    return this.#places.get(id)?.ino
  }

  forget(id: number): void {
    this.#places.get(id)?.segment.live.delete(id)
    this.#places.delete(id)
  }
}
