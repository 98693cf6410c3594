import type { Piece } from './gather.js'

/** A piece that has its place. */
export interface Placed {
  readonly piece: Piece
  readonly position: number
}

/** Pieces that go on where the one before ended: one call of the system instead of one each. */
export type Run =
  | { readonly kind: 'memory'; readonly position: number; length: number; readonly data: Buffer[] }
  | { readonly kind: 'spool'; readonly position: number; length: number; readonly at: number }

/** In the order of the pieces: where they overlap, the later one counts. */
export function runs(placed: readonly Placed[]): Run[] {
  const found: Run[] = []
  for (const { piece, position } of placed) {
    const { data, length, spooled } = piece
    const run = found.at(-1)
    const goesOn = run !== undefined && run.position + run.length === position
    if (goesOn && run.kind === 'memory' && data !== undefined) {
      run.data.push(data)
      run.length += length
    } else if (goesOn && run.kind === 'spool' && run.at + run.length === spooled && !data) {
      run.length += length
    } else if (data === undefined) {
      found.push({ kind: 'spool', position, length, at: spooled })
    } else {
      found.push({ kind: 'memory', position, length, data: [data] })
    }
  }
  return found
}
