/** Times are nanoseconds since the epoch in 64 bits: from September 1677 to April 2262. */
const MIN_TIME = -(2n ** 63n)
const MAX_TIME = 2n ** 63n - 1n

/** What a time must be, for whoever sent something else. */
export const TIME_RULE = `must be nanoseconds since the epoch in decimal, from ${MIN_TIME} (the year 1677) to ${MAX_TIME} (2262)`

/** @returns undefined for what is no time, or too early or late for one */
export function timeOf(digits: string): bigint | undefined {
  const time = /^-?\d{1,19}$/.test(digits) ? BigInt(digits) : undefined
  return time !== undefined && time >= MIN_TIME && time <= MAX_TIME ? time : undefined
}
