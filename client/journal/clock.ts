import { randomInt } from 'node:crypto'
import type { WireTime } from '../../server/wire/inodes.js'

let last = 0n

/**
 * This machine's clock, exact to a random nanosecond: whoever later finds a file with this time knows which change made
 * it. Never goes back.
 */
export function markedTime(): WireTime {
  const now = BigInt(Date.now()) * 1_000_000n + BigInt(randomInt(1e6))
  last = now > last ? now : last + 1n
  return String(last)
}
