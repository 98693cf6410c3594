/** Dates of HTTP (RFC 9110 section 5.6.7). Times are nanoseconds or whole seconds since the epoch. */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MONTH = MONTHS.join('|')
const TIME = String.raw`(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)`

/** Sun, 06 Nov 1994 08:49:37 GMT */
const IMF_FIXDATE = new RegExp(
  `^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d\\d) (?<month>${MONTH}) (?<year>\\d{4}) ${TIME} GMT$`,
)
/** Sunday, 06-Nov-94 08:49:37 GMT */
const RFC850_DATE = new RegExp(
  `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-(?<month>${MONTH})-(?<year>\\d\\d) ${TIME} GMT$`,
)
/** Sun Nov  6 08:49:37 1994 */
const ASCTIME_DATE = new RegExp(
  `^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?<month>${MONTH}) (?<day>[\\d ]\\d) ${TIME} (?<year>\\d{4})$`,
)

const NANOSECONDS_PER_SECOND = 1_000_000_000n
const LAST_SECOND = 253_402_300_799 // 9999-12-31T23:59:59Z: four digits of year are all a date has
const FIRST_SECOND = -62_167_219_200 // 0000-01-01T00:00:00Z

/** Whole seconds, rounded down, also before the epoch. */
export function wholeSeconds(time: bigint): number {
  const seconds = time / NANOSECONDS_PER_SECOND
  const whole = time % NANOSECONDS_PER_SECOND < 0n ? seconds - 1n : seconds
  return Number(whole)
}

/** A modification time for Last-Modified: never later than now (RFC 9110 section 8.8.2.1). */
export function lastModified(time: bigint, now: Date): string {
  const latest = Math.min(LAST_SECOND, Math.floor(now.getTime() / 1000))
  const seconds = Math.min(latest, Math.max(FIRST_SECOND, wholeSeconds(time)))
  return new Date(seconds * 1000).toUTCString()
}

/**
 * Seconds since the epoch, or undefined for what is not an HTTP-date: recipients must ignore such a field
 * (RFC 9110 sections 13.1.3 and 13.1.4).
 */
export function parseHttpDate(field: string, now: Date): number | undefined {
  const groups = (IMF_FIXDATE.exec(field) ?? RFC850_DATE.exec(field) ?? ASCTIME_DATE.exec(field))
    ?.groups
  if (groups === undefined) return undefined
  const { day = '', month = '', year = '', hour = '', minute = '', second = '' } = groups
  const date = new Date(0)
  date.setUTCFullYear(fullYear(year, now), MONTHS.indexOf(month), Number(day))
  if (date.getUTCDate() !== Number(day)) return undefined
  // 60 is a leap second
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  date.setUTCHours(Number(hour), Number(minute), Number(second))
  return date.getTime() / 1000
}

/** Two digits more than 50 years in the future are the past year with the same digits (RFC 9110 section 5.6.7). */
function fullYear(digits: string, now: Date): number {
  if (digits.length === 4) return Number(digits)
  const thisYear = now.getUTCFullYear()
  const year = thisYear - (thisYear % 100) + Number(digits)
  return year > thisYear + 50 ? year - 100 : year
}
