import { type Kept, STORED } from '../content/stored.js'
import type { Handle } from '../disk/contents.js'
import { failure } from '../failure.js'
import type { Engine } from '../parts/engine.js'

/** The bytes of a whole new content as they come: in memory while they are few, then in the file of its generation. */
export class UploadedContent {
  readonly generation: number
  readonly #engine: Engine
  #pending: Buffer[] = []
  #pendingBytes = 0
  #written: number
  #handle: Handle | undefined
  /** Its file was made, by this upload or by an earlier request of it. */
  #hasFile: boolean
  #hasHoles = false

  /** @param begun what an earlier request has written */
  constructor(engine: Engine, begun?: { readonly generation: number; readonly written: number }) {
    this.#engine = engine
    this.generation = begun?.generation ?? engine.generations.next()
    this.#written = begun?.written ?? 0
    this.#hasFile = begun !== undefined
  }

  get size(): number {
    return this.#written + this.#pendingBytes
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get isOpen(): boolean {
    return this.#handle !== undefined
  }

  push(pieces: readonly Buffer[], bytes: number): void {
    this.#pending.push(...pieces)
    this.#pendingBytes += bytes
  }

  /** Appends zeros that take no room. */
  async skip(bytes: number): Promise<void> {
    await this.flush()
    try {
      await this.#engine.disk.truncate(this.open().fd, this.#written + bytes)
    } catch (error) {
      throw failure(error)
    }
    this.#written += bytes
    this.#hasHoles = true
  }

  /** Writes what is in memory. */
  async flush(): Promise<void> {
    const pending = this.#pending
    const bytes = this.#pendingBytes
    if (bytes === 0) return
    try {
      await this.#engine.disk.write(this.open().fd, pending, this.#written)
    } catch (error) {
      throw failure(error)
    }
    this.#pending = []
    this.#pendingBytes = 0
    this.#written += bytes
  }

  /** Writes what is still in memory, unless it is so little that it goes into the database. */
  store(): Kept {
    if (this.size === 0) return { stored: STORED.nowhere, allocated: null }
    if (this.#handle === undefined && this.size <= this.#engine.smallBytes) {
      return { stored: STORED.database, allocated: null, small: Buffer.concat(this.#pending) }
    }
    if (this.#pendingBytes > 0) {
      const { fd } = this.open()
      for (const chunk of this.#pending) {
        this.#engine.disk.writeSync(fd, chunk, this.#written)
        this.#written += chunk.length
        this.#pendingBytes -= chunk.length
      }
      this.#pending = []
    }
    const { contents } = this.#engine
    const allocated = this.#hasHoles ? contents.holed(this.generation, this.size) : null
    return { stored: STORED.file, allocated }
  }

  open(): Handle {
    if (this.#handle !== undefined) return this.#handle
    const { contents } = this.#engine
    this.#handle =
      this.#written > 0 ? contents.resume(this.generation) : contents.create(this.generation)
    this.#hasFile = true
    return this.#handle
  }

  /** Nobody writes to it for now. */
  release(): void {
    if (this.#handle !== undefined) this.#engine.contents.release(this.#handle)
    this.#handle = undefined
  }

  /** After `release`: nobody wants it any more. */
  discard(): void {
    this.#pending = []
    this.#pendingBytes = 0
    if (this.#hasFile) this.#engine.contents.discard(this.generation)
  }
}
