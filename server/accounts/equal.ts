import { timingSafeEqual } from 'node:crypto'

/** In a time that tells nothing about where they differ. */
export function equal(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
