import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'

/** Whether a path, of which perhaps only the beginning is there, leads to a directory or into it. */
export function isInside(path: string, directory: string): boolean {
  return `${realPlace(path)}${sep}`.startsWith(`${realPlace(directory)}${sep}`)
}

function realPlace(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  return join(realPlace(dirname(resolve(path))), basename(path))
}
