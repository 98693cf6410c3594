import { readFile } from 'node:fs/promises'
import { until } from './until.js'

/** Settles once the log of a mount says so, which comes after what it tells of: who logs does not wait. */
export function logged(path: string, text: string): Promise<true> {
  return until(`${path} says ${text}`, async () =>
    (await readFile(path, 'utf8').catch(() => '')).includes(text),
  )
}
