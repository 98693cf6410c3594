/** What became of the rows of one RFC. */
export interface Tally {
  proved: number
  failed: number
  /** Rows that reach into the server, which only our own lets them do. */
  readonly outside: string[]
  /** Rows that the target lacks clients for. */
  readonly unable: { readonly id: string; readonly missing: readonly string[] }[]
}

export interface Summary {
  readonly lines: readonly string[]
  /** Whether every row ran that could run on this target, had it been prepared. */
  readonly isWhole: boolean
}

/** A line for each RFC, and in the end what was proved, what was not, and why. */
export function summary(tallies: ReadonlyMap<string, Tally>): Summary {
  const all = [...tallies].sort(([one], [other]) => (one < other ? -1 : 1))
  const lines = all.map(([name, { proved, failed, outside, unable }]) => {
    const skipped = outside.length + unable.length
    return `${name.padEnd(10)} ${proved} passed, ${failed} failed, ${skipped} skipped`
  })
  const proved = sum(all.map(([, tally]) => tally.proved))
  const failed = sum(all.map(([, tally]) => tally.failed))
  const outside = all.flatMap(([, tally]) => tally.outside)
  const unable = all.flatMap(([, tally]) => tally.unable)
  const rows = proved + failed + outside.length + unable.length
  lines.push('', `${proved} of ${rows} rows proved, ${failed} failed.`)
  if (outside.length > 0) {
    lines.push(
      `${outside.length} not run, because they reach into the data or the clock of a server of our own: ${outside.join(', ')}`,
    )
  }
  if (unable.length > 0) {
    const names = [...new Set(unable.flatMap(({ missing }) => missing))].sort()
    const ids = unable.map(({ id }) => id)
    lines.push(
      `${unable.length} NOT RUN, because the target was given no client ${names.join(', ')}: ${ids.join(', ')}`,
    )
  }
  return { lines, isWhole: unable.length === 0 }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
