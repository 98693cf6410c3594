/** mulberry32: a failure can be had again by its seed. */
export function random(seed: number) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  const many = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: below(most + 1) }, make)
  const bytes = (most: number) => Buffer.from(many(most, () => below(256)))
  return { below, one, many, bytes }
}

export type Random = ReturnType<typeof random>
