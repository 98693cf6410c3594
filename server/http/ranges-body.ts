import { FileError } from '../errors.js'
import { AT_THE_END, PIECE_HEAD_BYTES } from '../wire/patch.js'

export interface Piece {
  readonly offset: number | 'append'
  readonly data: Buffer
}

/**
 * Decodes a body of `RANGES_TYPE` while it comes, in as many steps; memory does not grow with a piece. A long piece is yielded in several.
 * @throws FileError EINVAL, EFBIG
 */
export async function* rangesBody(
  source: AsyncIterable<readonly Buffer[]> | Iterable<readonly Buffer[]>,
): AsyncGenerator<readonly Piece[]> {
  let header = Buffer.alloc(0)
  let position: number | 'append' = 0
  let left = 0
  for await (const come of source) {
    const pieces: Piece[] = []
    for (let chunk of come) {
      while (chunk.length > 0) {
        if (left > 0) {
          const data = chunk.subarray(0, left)
          pieces.push({ offset: position, data })
          chunk = chunk.subarray(data.length)
          left -= data.length
          if (position !== 'append') position += data.length
          continue
        }
        const missing = PIECE_HEAD_BYTES - header.length
        header = Buffer.concat([header, chunk.subarray(0, missing)])
        chunk = chunk.subarray(missing)
        if (header.length < PIECE_HEAD_BYTES) break
        left = header.readUInt32BE(8)
        position = pieceOffset(header.readBigUInt64BE(0), left)
        header = Buffer.alloc(0)
      }
    }
    if (pieces.length > 0) yield pieces
  }
  if (left > 0 || header.length > 0) {
    throw new FileError('EINVAL', 'the body ends in the middle of a piece')
  }
}

function pieceOffset(offset: bigint, length: number): number | 'append' {
  if (offset === AT_THE_END) return 'append'
  if (offset + BigInt(length) > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FileError('EFBIG', 'a piece lies beyond the largest size a file can have')
  }
  return Number(offset)
}
