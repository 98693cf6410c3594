import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** What a file is called until all of it is there. */
export function unfinished(path: string): string {
  return `${path}.new`
}

/** Makes a file, or replaces it, in one step: there is what was there before, or all of this, also after loss of power. */
export function writeWhole(path: string, content: string, mode: number): void {
  const temporary = unfinished(path)
  const file = openSync(temporary, 'w', mode)
  writeSync(file, content)
  fsyncSync(file)
  closeSync(file)
  renameSync(temporary, path)
  const directory = openSync(dirname(path), 'r')
  fsyncSync(directory)
  closeSync(directory)
}
