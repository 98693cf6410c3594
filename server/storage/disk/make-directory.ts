import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { isErrno } from './disk.js'

/** What "mkdir -p" does. That of Node tries for ever where nothing can be made, as in /proc. */
export function makeDirectory(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
      throw new Error(`${path} is no directory`, { cause: error })
    }
    if (!isErrno(error, 'ENOENT') || existsSync(dirname(path))) throw error
    makeDirectory(dirname(path), mode)
    mkdirSync(path, mode)
  }
}
