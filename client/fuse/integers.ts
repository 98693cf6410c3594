/**
 * 64-bit fields as JavaScript numbers, without the cost of a BigInt on every request. Node numbers, handles and sizes of
 * ours are safe integers; `readUint64` is inexact above 2^53, so whoever reads an offset of the kernel's checks it.
 */
const HIGH = 2 ** 32

export function readUint64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at + 4) * HIGH + buffer.readUInt32LE(at)
}

/** What the kernel knows a request by, all 64 bits of it: nothing is done with it but to tell it from others, and to say it again. */
export interface Unique {
  readonly low: number
  readonly high: number
}

export function readUnique(buffer: Buffer, at: number): Unique {
  return { low: buffer.readUInt32LE(at), high: buffer.readUInt32LE(at + 4) }
}

export function isSame(one: Unique, other: Unique): boolean {
  return one.low === other.low && one.high === other.high
}

/**
 * Byte by byte: until they are optimized, which takes thousands of answers, the methods of Buffer cost a new mount several times
 * as much.
 */
export function writeUint32(buffer: Buffer, value: number, at: number): void {
  if (value >>> 0 !== value) throw new RangeError(`${value} is no number of 32 bits`)
  put32(buffer, value, at)
}

/** Of a negative number its two's complement. */
export function writeUint64(buffer: Buffer, value: number, at: number): void {
  if (!Number.isInteger(value)) throw new RangeError(`${value} is no number of 64 bits`)
  put32(buffer, value, at)
  put32(buffer, Math.floor(value / HIGH), at + 4)
}

/** The lowest 32 bits. */
function put32(buffer: Buffer, value: number, at: number): void {
  const bits = value >>> 0
  buffer[at] = bits
  buffer[at + 1] = bits >>> 8
  buffer[at + 2] = bits >>> 16
  buffer[at + 3] = bits >>> 24
}

const SECOND = 1_000_000_000n

/** A time since the epoch; the nanoseconds are never negative. */
export interface Timespec {
  readonly seconds: number
  readonly nanoseconds: number
}

const ZERO = '0'.charCodeAt(0)
/** Of a second as decimal digits of nanoseconds. */
const DIGITS = 9

/** Of nanoseconds in decimal digits; one by one, for each answer has three times, and BigInts would cost as much as the rest of it. */
export function timespec(time: string): Timespec {
  const isNegative = time.startsWith('-')
  const point = time.length - DIGITS
  let seconds = 0
  let nanoseconds = 0
  for (let at = isNegative ? 1 : 0; at < time.length; at++) {
    const digit = time.charCodeAt(at) - ZERO
    if (at < point) seconds = seconds * 10 + digit
    else nanoseconds = nanoseconds * 10 + digit
  }
  if (!isNegative) return { seconds, nanoseconds }
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds }
}

export function nanoseconds(seconds: bigint, rest: number): bigint {
  return seconds * SECOND + BigInt(rest)
}
