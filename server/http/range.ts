/** Range requests (RFC 9110 section 14). Positions are inclusive, as on the wire. */

export interface ByteRange {
  readonly first: number
  readonly last: number
}

export type RangeOutcome =
  | { kind: 'whole' }
  | { kind: 'parts'; parts: readonly [ByteRange, ...ByteRange[]] }
  | { kind: 'unsatisfiable'; why: string }

/** More ranges than any reader needs; a request for more is an attack or a mistake (RFC 9110 section 14.2). */
const MAX_RANGES = 100
const MAX_OVERLAPS = 2

/** range-unit "=" range-set (RFC 9110 section 14.1.1) */
const SPECIFIER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(.*)$/
/** int-range = first-pos "-" [ last-pos ] (RFC 9110 section 14.1.2) */
const INT_RANGE = /^(\d+)-(\d*)$/
/** suffix-range = "-" suffix-length (RFC 9110 section 14.1.2) */
const SUFFIX_RANGE = /^-(\d+)$/

const WHOLE: RangeOutcome = { kind: 'whole' }

/** @param size of the content the ranges are cut from */
export function parseRange(field: string | undefined, size: number): RangeOutcome {
  if (field === undefined) return WHOLE
  const [, unit, set] = SPECIFIER.exec(field.trim()) ?? []
  if (unit === undefined || set === undefined)
    return unsatisfiable('Range must be bytes=FIRST-LAST')
  // a unit we do not know must be ignored (RFC 9110 section 14.2)
  if (unit.toLowerCase() !== 'bytes') return WHOLE
  const specs = set.split(',', MAX_RANGES * 2).map((spec) => spec.trim())
  const wanted = specs.filter((spec) => spec !== '')
  if (wanted.length === 0) return unsatisfiable('Range must be bytes=FIRST-LAST')
  if (wanted.length > MAX_RANGES) return unsatisfiable(`ask for at most ${MAX_RANGES} ranges`)
  const parts: ByteRange[] = []
  for (const spec of wanted) {
    const part = byteRange(spec, size)
    if (part === 'malformed') return unsatisfiable(`"${spec}" is not a range; use FIRST-LAST`)
    if (part !== 'outside') parts.push(part)
  }
  const [one, ...more] = parts
  if (one === undefined) {
    // "-5" of an empty content is satisfiable but has no Content-Range
    if (size === 0 && wanted.some((spec) => /^-0*[1-9]/.test(spec))) return WHOLE
    return unsatisfiable(`the content has ${size} bytes; no range asked for lies in it`)
  }
  if (overlaps(parts) > MAX_OVERLAPS) return unsatisfiable('the ranges overlap too much')
  return { kind: 'parts', parts: [one, ...more] }
}

function byteRange(spec: string, size: number): ByteRange | 'outside' | 'malformed' {
  const suffix = SUFFIX_RANGE.exec(spec)
  if (suffix !== null) {
    const length = Number(suffix[1])
    if (length === 0 || size === 0) return 'outside'
    return { first: Math.max(0, size - length), last: size - 1 }
  }
  const int = INT_RANGE.exec(spec)
  if (int === null) return 'malformed'
  const first = Number(int[1])
  const last = int[2] === '' ? Number.POSITIVE_INFINITY : Number(int[2])
  if (last < first) return 'malformed'
  if (first >= size) return 'outside'
  return { first, last: Math.min(last, size - 1) }
}

/** How many ranges begin inside an earlier one. */
function overlaps(parts: readonly ByteRange[]): number {
  const sorted = parts.toSorted((a, b) => a.first - b.first)
  let reached = -1
  let count = 0
  for (const { first, last } of sorted) {
    if (first <= reached) count++
    reached = Math.max(reached, last)
  }
  return count
}

function unsatisfiable(why: string): RangeOutcome {
  return { kind: 'unsatisfiable', why }
}
