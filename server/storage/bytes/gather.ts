import { FileError } from '../../errors.js'
import type { Handle } from '../disk/contents.js'
import type { Engine } from '../parts/engine.js'
import type { WriteClaim } from '../parts/write-claim.js'
import type { append, ExpectedWrite, WritePart, WriteParts } from '../storage.js'

/** Parts of one write wait in memory up to the first limit, those of all writes up to the second; then in a file. */
const OWN_MEMORY = 8 * 1024 * 1024
const ALL_MEMORY = 64 * 1024 * 1024
/** Once a write has a spool file, so many bytes go to it at a time. */
const SPILL = 256 * 1024
/** Parts of one write; beyond, it is refused. */
const PARTS_MAX = 100_000

/** A part that has come whole: in memory, or in the spool file from `spooled` on. */
export interface Piece {
  readonly offset: number | typeof append
  readonly length: number
  readonly data: Buffer | undefined
  readonly spooled: number
}

/** All parts of one write. Call `end` when they have been used. */
export interface Gathered {
  readonly pieces: readonly Piece[]
  readonly bytes: number
  readonly spool: Handle | undefined
  end(): void
}

/**
 * Takes in all parts before anything is written, so that a source that fails leaves no half of them. What does not fit is
 * refused as soon as that is seen.
 */
export async function gather(
  engine: Engine,
  parts: WriteParts,
  claim: WriteClaim,
  expected: ExpectedWrite,
): Promise<Gathered> {
  const gathering = new Gathering(engine, claim)
  try {
    claim.begin(expected)
    if (expected.length !== undefined && expected.length > OWN_MEMORY) {
      claim.keep(expected.length)
      engine.space.require(2 * expected.length)
    }
    for await (const come of parts) {
      for (const part of Array.isArray(come) ? come : [come]) {
        gathering.take(part)
        if (gathering.isTooMuch) await gathering.spill()
      }
    }
    if (gathering.spool !== undefined) await gathering.spill()
    return gathering
  } catch (error) {
    gathering.end()
    throw error
  }
}

class Gathering implements Gathered {
  readonly pieces: Piece[] = []
  bytes = 0
  spool: Handle | undefined
  readonly #engine: Engine
  readonly #claim: WriteClaim
  #inMemory = 0
  /** How many of the pieces are in the spool file. */
  #spilled = 0

  constructor(engine: Engine, claim: WriteClaim) {
    this.#engine = engine
    this.#claim = claim
  }

  /** For the memory that one write has, or all have. */
  get isTooMuch(): boolean {
    if (this.#inMemory > (this.spool === undefined ? OWN_MEMORY : SPILL)) return true
    return this.#inMemory > SPILL && this.#engine.gathered.bytes > ALL_MEMORY
  }

  take({ offset, data }: WritePart): void {
    const { length } = data
    if (length === 0) return
    if (this.pieces.length === PARTS_MAX) {
      throw new FileError('EINVAL', `one write takes at most ${PARTS_MAX} parts`)
    }
    this.#claim.add(offset, length)
    this.#engine.space.take(length)
    this.pieces.push({ offset, length, data, spooled: 0 })
    this.bytes += length
    this.#inMemory += length
    this.#engine.gathered.bytes += length
  }

  /** Moves what is in memory to the spool file. */
  async spill(): Promise<void> {
    const { contents, disk, gathered, generations, space } = this.#engine
    this.spool ??= contents.create(generations.next())
    this.#claim.keep(this.bytes)
    // it is written once more in the end
    space.require(this.bytes)
    const start = this.bytes - this.#inMemory
    const fresh = this.pieces.slice(this.#spilled)
    await disk.write(
      this.spool.fd,
      fresh.flatMap(({ data }) => data ?? []),
      start,
    )
    let position = start
    for (const piece of fresh) {
      this.pieces[this.#spilled] = { ...piece, data: undefined, spooled: position }
      this.#spilled += 1
      position += piece.length
    }
    gathered.bytes -= this.#inMemory
    this.#inMemory = 0
  }

  end(): void {
    const { contents, gathered } = this.#engine
    gathered.bytes -= this.#inMemory
    this.#inMemory = 0
    if (this.spool === undefined) return
    contents.release(this.spool)
    contents.discard(this.spool.generation)
    this.spool = undefined
  }
}
