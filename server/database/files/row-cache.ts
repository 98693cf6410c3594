import { BoundedMap } from '../../bounded-map.js'
import type { InodeRow } from './inode-rows.js'

/** How much is remembered: some 20 MiB together, and as much again of contents. */
const INODES = 32_768
const NAMES = 65_536
const CONTENT_BYTES = 16 * 1024 * 1024
/** What it takes to remember a content beside its bytes: without these, 16 MiB would be millions of tiny ones. */
const EACH_CONTENT_BYTES = 256
/** Rows of symlinks that say more are not remembered: they may be as long as a path. */
const TARGET_LENGTH = 256
/** That a name names nothing. */
const NOTHING = 0

/**
 * What was read of the tables of files and has not changed since. Nobody but the process that holds the lock of the data
 * directory writes to these tables, and all it writes goes through here (cached-statements.ts), so what is here is what a query
 * would find. Oldest first out.
 */
export class RowCache {
  readonly #inodes = new BoundedMap<number, InodeRow>(INODES)
  /** The inode that a name in a directory names. */
  readonly #names = new BoundedMap<string, number>(NAMES)
  readonly #contents = new Map<number, { readonly data: Buffer }>()
  #contentBytes = 0
  /** What the transaction under way has changed: numbers of inodes, and names. */
  #written: (number | string)[] = []

  /** Some of what was written is not so: what it was, the table knows. */
  rolledBack(): void {
    for (const what of this.#written) {
      if (typeof what === 'string') this.#names.delete(what)
      else {
        this.#inodes.delete(what)
        this.#forgetContent(what)
      }
    }
  }

  /** The transaction is over. */
  ended(): void {
    if (this.#written.length > 0) this.#written = []
  }

  inode(ino: number): InodeRow | undefined {
    return this.#inodes.get(ino)
  }

  keepInode(row: InodeRow): void {
    if (row.target !== null && row.target.length > TARGET_LENGTH) {
      this.#inodes.delete(row.ino)
      return
    }
    this.#inodes.set(row.ino, row)
  }

  writeInode(row: InodeRow): void {
    this.#written.push(row.ino)
    this.keepInode(row)
  }

  removeInode(ino: number): void {
    this.#written.push(ino)
    this.#inodes.delete(ino)
  }

  /** `nothing` if it is known that there is no such name. */
  named(directory: number, name: string): number | 'nothing' | undefined {
    const ino = this.#names.get(key(directory, name))
    return ino === NOTHING ? 'nothing' : ino
  }

  keepName(directory: number, name: string, ino: number | 'nothing'): void {
    this.#names.set(key(directory, name), ino === 'nothing' ? NOTHING : ino)
  }

  writeName(directory: number, name: string, ino: number | 'nothing'): void {
    this.#written.push(key(directory, name))
    this.keepName(directory, name, ino)
  }

  content(ino: number): { readonly data: Buffer } | undefined {
    return this.#contents.get(ino)
  }

  keepContent(ino: number, content: { readonly data: Buffer }): void {
    this.#forgetContent(ino)
    this.#contents.set(ino, content)
    this.#contentBytes += content.data.length + EACH_CONTENT_BYTES
    if (this.#contentBytes <= CONTENT_BYTES) return
    // many at a time, for the reason that BoundedMap has
    for (const oldest of this.#contents.keys()) {
      if (this.#contentBytes <= CONTENT_BYTES / 2) return
      this.#forgetContent(oldest)
    }
  }

  /** It was written, or removed. */
  writeContent(ino: number): void {
    this.#written.push(ino)
    this.#forgetContent(ino)
  }

  #forgetContent(ino: number): void {
    const content = this.#contents.get(ino)
    if (content === undefined) return
    this.#contents.delete(ino)
    this.#contentBytes -= content.data.length + EACH_CONTENT_BYTES
  }
}

/** A name has no "/". */
function key(directory: number, name: string): string {
  return `${directory}/${name}`
}
