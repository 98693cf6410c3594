import type { JournalData } from './segment.js'

type Interval = readonly [from: number, to: number]

/** Bytes of a file that are only here: a part of what came with a change, or zeros behind an end that it moved. */
export interface Extent {
  readonly from: number
  readonly to: number
  readonly source: { readonly data: JournalData; readonly at: number } | 'zeros'
}

interface Piece {
  readonly from: number
  readonly to: number
  readonly extent: Extent
}

/**
 * What a range consists of: pieces of extents, of which later ones lie over earlier ones, and the gaps between them, which
 * only the server has.
 */
export function composition(
  extents: readonly Extent[],
  from: number,
  to: number,
): { pieces: Piece[]; gaps: Interval[] } {
  const pieces: Piece[] = []
  let gaps: Interval[] = from < to ? [[from, to]] : []
  for (let at = extents.length - 1; at >= 0 && gaps.length > 0; at--) {
    const extent = extents[at]
    if (extent === undefined || extent.from >= to || extent.to <= from) continue
    const left: Interval[] = []
    for (const [a, b] of gaps) {
      const start = Math.max(a, extent.from)
      const end = Math.min(b, extent.to)
      if (start >= end) {
        left.push([a, b])
        continue
      }
      pieces.push({ from: start, to: end, extent })
      if (a < start) left.push([a, start])
      if (end < b) left.push([end, b])
    }
    gaps = left
  }
  return { pieces, gaps: gaps.sort(([a], [b]) => a - b) }
}
