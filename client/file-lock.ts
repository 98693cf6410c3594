import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { koffi } from './koffi.js'

/** man 2 flock; the numbers are the same on Linux and macOS. */
const LOCK_EX = 2
const LOCK_NB = 4

export interface FileLock {
  release(): Promise<void>
}

/**
 * Locks a file for this process, which the kernel undoes when the process ends, however it ends: nobody must guess whether
 * the holder of an old lock is still alive.
 * @returns undefined if somebody else has it
 * @throws Error where koffi is not installed
 */
export async function lockFile(path: string): Promise<FileLock | undefined> {
  const flock = koffi().load(null).func('int flock(int descriptor, int operation)')
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  if (flock(file.fd, LOCK_EX | LOCK_NB) !== 0) {
    await file.close()
    return undefined
  }
  return { release: () => file.close() }
}
