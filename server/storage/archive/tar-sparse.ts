import { BLOCK } from './tar.js'

/**
 * Files with holes as GNU tar writes them ("PAX Format, Version 1.0" of its manual, "Storing Sparse Files"): before the data
 * stands a map, in whole blocks, of decimal numbers with a line feed behind each: how many extents, then where each begins
 * and how long it is. The data of the extents follows without gaps.
 */
export interface Extent {
  readonly offset: number
  readonly length: number
}

/** More than any file has whose map still fits in memory. */
const EXTENTS_MAX = 10_000_000
const DIGITS_MAX = 16

export function encodeMap(extents: readonly Extent[]): Buffer {
  const numbers = [extents.length, ...extents.flatMap(({ offset, length }) => [offset, length])]
  const text = Buffer.from(numbers.map((number) => `${number}\n`).join(''))
  return Buffer.concat([text, Buffer.alloc((BLOCK - (text.length % BLOCK)) % BLOCK)])
}

/**
 * @param take gives the next so many bytes
 * @returns the extents in order, and how many bytes the map took
 * @throws Error if it is no map of a file of `size` bytes
 */
export async function decodeMap(
  take: (bytes: number) => Promise<Buffer>,
  size: number,
): Promise<{ readonly extents: Extent[]; readonly bytes: number }> {
  let block: Buffer = Buffer.alloc(0)
  let at = 0
  let bytes = 0
  const number = async (): Promise<number> => {
    for (let digits = ''; ; ) {
      if (at === block.length) {
        block = await take(BLOCK)
        at = 0
        bytes += BLOCK
      }
      const character = String.fromCharCode(block[at] ?? 0)
      at += 1
      if (character === '\n' && digits !== '') return Number(digits)
      digits += character
      if (!/^\d$/.test(character) || digits.length > DIGITS_MAX) throw new Error(BROKEN)
    }
  }
  const count = await number()
  if (count > EXTENTS_MAX) throw new Error(BROKEN)
  const extents: Extent[] = []
  let end = 0
  for (let index = 0; index < count; index++) {
    const offset = await number()
    const length = await number()
    if (offset < end || !(offset + length <= size)) throw new Error(BROKEN)
    end = offset + length
    extents.push({ offset, length })
  }
  return { extents, bytes }
}

const BROKEN = 'the archive has a broken map of holes'
