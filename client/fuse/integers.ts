/**
 * 64-bit fields as JavaScript numbers, without the cost of a BigInt on every request. Node numbers, handles and sizes of
 * ours are safe integers; `readUint64` is inexact above 2^53, so whoever reads an offset of the kernel's checks it.
 */
const HIGH = 2 ** 32

export function readUint64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at + 4) * HIGH + buffer.readUInt32LE(at)
}

export function writeUint64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value >>> 0, at)
  buffer.writeUInt32LE(Math.floor(value / HIGH) >>> 0, at + 4)
}

const SECOND = 1_000_000_000n

/** seconds and nanoseconds, as struct timespec has them: the nanoseconds are never negative. */
export function timespec(nanoseconds: bigint): { seconds: bigint; nanoseconds: number } {
  const rest = nanoseconds % SECOND
  const down = rest < 0n
  return {
    seconds: nanoseconds / SECOND - (down ? 1n : 0n),
    nanoseconds: Number(down ? rest + SECOND : rest),
  }
}

export function nanoseconds(seconds: bigint, rest: number): bigint {
  return seconds * SECOND + BigInt(rest)
}
