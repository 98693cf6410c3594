import { FileError } from '../errors.js'
import type { Handle } from './contents.js'
import type { Engine } from './context.js'
import type { append, ExpectedWrite, WritePart, WriteParts } from './storage.js'
import type { WriteClaim } from './write-claim.js'

/** Parts of one write wait in memory up to the first limit, those of all writes up to the second; then in a file. */
const OWN_MEMORY = 8 * 1024 * 1024
const ALL_MEMORY = 64 * 1024 * 1024
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
  const pieces: Piece[] = []
  let bytes = 0
  let inMemory = 0
  let spilled = 0
  let spool: Handle | undefined
  const end = () => {
    engine.gathered.bytes -= inMemory
    inMemory = 0
    if (spool === undefined) return
    engine.contents.release(spool)
    engine.contents.discard(spool.generation)
    spool = undefined
  }
  /** Moves what is in memory to the spool file. */
  const spill = async () => {
    spool ??= engine.contents.create(engine.generations.next())
    claim.keep(bytes)
    // it is written once more in the end
    engine.space.require(bytes)
    const start = bytes - inMemory
    const fresh = pieces.slice(spilled)
    await engine.disk.write(
      spool.fd,
      fresh.flatMap(({ data }) => data ?? []),
      start,
    )
    let position = start
    for (const piece of fresh) {
      pieces[spilled] = { ...piece, data: undefined, spooled: position }
      spilled += 1
      position += piece.length
    }
    engine.gathered.bytes -= inMemory
    inMemory = 0
  }
  const take = ({ offset, data }: WritePart) => {
    const { length } = data
    if (length === 0) return
    if (pieces.length === PARTS_MAX) {
      throw new FileError('EINVAL', `one write takes at most ${PARTS_MAX} parts`)
    }
    claim.add(offset, length)
    engine.space.take(length)
    pieces.push({ offset, length, data, spooled: 0 })
    bytes += length
    inMemory += length
    engine.gathered.bytes += length
  }
  try {
    claim.begin(expected)
    if (expected.length !== undefined && expected.length > OWN_MEMORY) {
      claim.keep(expected.length)
      engine.space.require(2 * expected.length)
    }
    for await (const come of parts) {
      for (const part of Array.isArray(come) ? come : [come]) {
        take(part)
        if (inMemory > (spool === undefined ? OWN_MEMORY : SPILL)) await spill()
        else if (inMemory > SPILL && engine.gathered.bytes > ALL_MEMORY) await spill()
      }
    }
    if (spool !== undefined) await spill()
    return { pieces, bytes, spool, end }
  } catch (error) {
    end()
    throw error
  }
}

/** Once a write has a spool file, so many bytes go to it at a time. */
const SPILL = 256 * 1024
