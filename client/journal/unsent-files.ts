import type { WireAttributes } from '../../server/wire/inodes.js'
import type { Pending } from './pending.js'
import type { Place } from './record.js'
import type { UnsentFile } from './unsent-file.js'

/** All files with something that the server does not have, by number, and those it has never heard of by where they will stand. */
export class UnsentFiles {
  readonly #files = new Map<number, UnsentFile>()
  readonly #directories = new Map<number, Map<string, UnsentFile>>()
  readonly #named = new Map<string, UnsentFile>()
  #count = 0

  /** Changes that wait. */
  get count(): number {
    return this.#count
  }

  get isEmpty(): boolean {
    return this.#files.size === 0
  }

  of(ino: number): UnsentFile | undefined {
    return this.#files.get(ino)
  }

  /** A new file that is to stand at a place. */
  at({ directory, name }: Place): UnsentFile | undefined {
    return this.#directories.get(directory)?.get(name)
  }

  /** A file, new or not, whose name this is as far as is known. */
  named(place: Place): UnsentFile | undefined {
    return this.#named.get(placeKey(place))
  }

  /** New files that are to stand in a directory, by name. */
  in(directory: number): ReadonlyMap<string, UnsentFile> {
    return this.#directories.get(directory) ?? NONE
  }

  all(): UnsentFile[] {
    return [...this.#files.values()]
  }

  add(file: UnsentFile, pending: Pending): void {
    this.#files.set(file.ino, file)
    this.#count += 1
    file.add(pending)
    if (file.queue.length === 1) this.#stand(file)
  }

  /** It has another name now. */
  move(file: UnsentFile, place: Place): void {
    this.#leave(file)
    file.place = place
    this.#stand(file)
  }

  /** The first change of a file is done; with the last, the file is one like any other. */
  removeFirst(file: UnsentFile, now: WireAttributes | undefined): void {
    this.#leave(file)
    this.#count -= 1
    file.removeFirst(now)
    this.#settle(file)
  }

  /** A change whose bytes are damaged. */
  lose(file: UnsentFile, pending: Pending): void {
    this.#leave(file)
    this.#count -= 1
    file.lose(pending)
    this.#settle(file)
  }

  /** @returns false if it is on its way, or done */
  takeBack(file: UnsentFile, pending: Pending): boolean {
    this.#leave(file)
    const isBack = file.takeBack(pending)
    if (isBack) this.#count -= 1
    this.#settle(file)
    return isBack
  }

  #settle(file: UnsentFile): void {
    if (file.queue.length > 0) this.#stand(file)
    else if (this.#files.get(file.ino) === file) this.#files.delete(file.ino)
  }

  #stand(file: UnsentFile): void {
    const { place } = file
    if (place === undefined || file.isNameless) return
    // A name found some time ago may have been given to a new file since.
    if (!file.isUnborn && this.at(place) !== undefined) return
    this.#named.set(placeKey(place), file)
    if (!file.isUnborn) return
    const names = this.#directories.get(place.directory) ?? new Map<string, UnsentFile>()
    names.set(place.name, file)
    this.#directories.set(place.directory, names)
  }

  #leave(file: UnsentFile): void {
    const { place } = file
    if (place === undefined) return
    if (this.#named.get(placeKey(place)) === file) this.#named.delete(placeKey(place))
    const names = this.#directories.get(place.directory)
    if (names?.get(place.name) === file) names.delete(place.name)
    if (names?.size === 0) this.#directories.delete(place.directory)
  }

  /** It has no name any more. */
  unname(file: UnsentFile): void {
    this.#leave(file)
    file.isNameless = true
    // Whoever waits until it is sent would do so for as long as it is open.
    if (file.isOnlyHere) for (const pending of file.queue) pending.finish()
  }
}

export function placeKey({ directory, name }: Place): string {
  return `${directory}/${name}`
}

const NONE: ReadonlyMap<string, UnsentFile> = new Map()
