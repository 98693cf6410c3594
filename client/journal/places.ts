import { BoundedMap } from '../../server/bounded-map.js'
import type { Place } from './record.js'
import { placeKey } from './unsent-files.js'

/** Places remembered. */
const REMEMBERED = 100_000

/** Where inodes were last found, and what was last found at a place. Others may have moved them since. */
export class Places {
  readonly #places = new BoundedMap<number, Place>(REMEMBERED)
  readonly #inos = new BoundedMap<string, number>(REMEMBERED)

  found(place: Place, ino: number): void {
    this.#places.set(ino, place)
    this.#inos.set(placeKey(place), ino)
  }

  of(ino: number): Place | undefined {
    return this.#places.get(ino)
  }

  at(place: Place): number | undefined {
    return this.#inos.get(placeKey(place))
  }
}
