import { performance } from 'node:perf_hooks'
import type { Nanoseconds } from '../storage.js'

/** A time as struct timespec has it: exact in two columns, also before 1970. */
export interface Timespec {
  readonly sec: number
  readonly nsec: number
}

export type Clock = () => Timespec

/** A wall clock, whose milliseconds are refined by the monotonic clock so that two changes rarely share a time. */
export function wallClock(date: () => Date): Clock {
  let millisecond = 0
  let began = 0
  return () => {
    const now = date().getTime()
    const monotonic = performance.now()
    if (now !== millisecond) {
      millisecond = now
      began = monotonic
    }
    const fraction = Math.min(999_999, Math.floor((monotonic - began) * 1e6))
    const sec = Math.floor(now / 1000)
    return { sec, nsec: (now - sec * 1000) * 1_000_000 + fraction }
  }
}

const SECOND = 1_000_000_000n

export function timespec(time: Nanoseconds): Timespec {
  const nsec = ((time % SECOND) + SECOND) % SECOND
  return { sec: Number((time - nsec) / SECOND), nsec: Number(nsec) }
}

export function nanoseconds(sec: number, nsec: number): Nanoseconds {
  return BigInt(sec) * SECOND + BigInt(nsec)
}
