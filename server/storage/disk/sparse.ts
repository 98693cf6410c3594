/** The block of most file systems: shorter runs of zeros cannot be holes. */
const BLOCK = 4096
const ZEROS = Buffer.alloc(BLOCK)

/** Data by the blocks of the file it lies in, `position` bytes into it. */
export function* blocks(
  data: Buffer,
  position: number,
): Generator<{ at: number; piece: Buffer; isZero: boolean }> {
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + BLOCK - ((position + at) % BLOCK))
    const piece = data.subarray(at, end)
    yield { at, piece, isZero: piece.equals(ZEROS.subarray(0, piece.length)) }
    at = end
  }
}

/** The pieces of data that are not blocks of zeros; who writes only these, leaves holes where holes were. */
export function* withoutHoles(data: Buffer): Generator<{ at: number; piece: Buffer }> {
  let begin = 0
  for (const { at, piece, isZero } of blocks(data, 0)) {
    if (!isZero) continue
    if (begin < at) yield { at: begin, piece: data.subarray(begin, at) }
    begin = at + piece.length
  }
  if (begin < data.length) yield { at: begin, piece: data.subarray(begin) }
}
