/** The block of most file systems: shorter runs of zeros cannot be holes. */
const BLOCK = 4096
const ZEROS = Buffer.alloc(BLOCK)

/** The pieces of data that are not blocks of zeros; who writes only these, leaves holes where holes were. */
export function* withoutHoles(data: Buffer): Generator<{ at: number; piece: Buffer }> {
  let begin = 0
  for (let at = 0; at < data.length; at += BLOCK) {
    const block = data.subarray(at, at + BLOCK)
    if (!block.equals(ZEROS.subarray(0, block.length))) continue
    if (begin < at) yield { at: begin, piece: data.subarray(begin, at) }
    begin = at + block.length
  }
  if (begin < data.length) yield { at: begin, piece: data.subarray(begin) }
}
