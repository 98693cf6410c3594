import { CommandError } from './command-error.js'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
}
const SIZE = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i

/** A number of bytes as people write it: "500M", "1.5GiB". */
export function byteSize(input: string): number {
  const [, amount = '', unit = ''] = SIZE.exec(input) ?? []
  const bytes = Math.floor(Number(amount || Number.NaN) * (UNITS[unit.toLowerCase()] ?? Number.NaN))
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes
  throw new CommandError('It must be a size such as 500M or 10G.')
}

/** @throws CommandError for less than what makes sense */
export function byteSizeFrom(least: string): (input: string) => number {
  return (input) => {
    const bytes = byteSize(input)
    if (bytes >= byteSize(least)) return bytes
    throw new CommandError(`It must be a size of ${least} or more.`)
  }
}
