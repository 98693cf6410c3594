import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from './error-of.js'

/**
 * A directory for nobody else's eyes, made with all its parents if needed. Not by Node's recursive mkdir: that asks for ever where
 * a parent is there and yet nothing can be made in it, as below /proc.
 */
export async function privateDirectory(path: string): Promise<void> {
  const made = await madeIfPossible(path)
  if (made !== 'no parent') return
  const parent = dirname(path)
  if (parent !== path) await privateDirectory(parent)
  await mkdir(path, { mode: 0o700 }).catch(unlessDirectory(path))
}

async function madeIfPossible(path: string): Promise<'there' | 'no parent'> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'no parent'
    await unlessDirectory(path)(error)
  }
  return 'there'
}

/** Also where it could not be made: on a disk that can only be read it may be there. */
function unlessDirectory(path: string): (error: unknown) => Promise<void> {
  return async (error) => {
    const found = await stat(path).catch(() => undefined)
    if (found?.isDirectory() !== true) throw error
  }
}

/**
 * Replaces a file in one step: readers see the old content or the new, after a crash too. The file has mode 0600 from
 * the moment it exists.
 */
export async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw error
  }
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
