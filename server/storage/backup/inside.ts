import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { DATABASE } from './set.js'

/** Whether a path, of which perhaps only the beginning is there, leads to a directory or into it. */
export function isInside(path: string, directory: string): boolean {
  return `${realPlace(path)}${sep}`.startsWith(`${realPlace(directory)}${sep}`)
}

/**
 * The nearest directory above a path that is a data directory or a backup. A server or a backup removes from its own what it
 * does not know, and who moves or removes the one takes the other along.
 */
export function enclosing(path: string): string | undefined {
  let above = realPlace(path)
  do {
    above = dirname(above)
    if (existsSync(join(above, DATABASE))) return above
  } while (above !== dirname(above))
  return undefined
}

function realPlace(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  return join(realPlace(dirname(resolve(path))), basename(path))
}
