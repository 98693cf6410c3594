import { open, readdir, stat, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { codeOf } from '../error-of.js'
import { isWhole, scanSegment } from './scan.js'
import { DAMAGED } from './segment.js'

/** A segment that the local disk has damaged: nothing of it is to be sent any more. */
export interface DamagedSegment {
  readonly path: string
  readonly bytes: number
  /** When it was last written to. */
  readonly written: string
}

/** A file that a damaged segment tells of. */
export interface NamedFile {
  readonly name: string
  /** Something that was written to it was lost. */
  readonly isLost: boolean
}

/** Those that are kept aside, of all accounts. */
export async function damagedSegments(stateDirectory: string): Promise<DamagedSegment[]> {
  const top = join(stateDirectory, 'journal')
  const names = await readdir(top, { recursive: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const paths = names.filter((name) => name.endsWith(`.journal${DAMAGED}`)).sort()
  const found = await Promise.all(paths.map((name) => damagedSegment(join(top, name))))
  return found.filter((segment) => segment !== undefined)
}

async function damagedSegment(path: string): Promise<DamagedSegment | undefined> {
  try {
    const { size, mtime } = await stat(path)
    return { path, bytes: size, written: mtime.toISOString() }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** What can still be read of one. */
export async function filesIn({ path }: DamagedSegment): Promise<NamedFile[]> {
  const file = await open(path, 'r')
  try {
    const lost = new Map<string, boolean>()
    for (const found of (await scanSegment(file)).records) {
      const { record } = found
      if (!('id' in record)) continue
      const name = record.place?.name ?? `inode ${record.ino}`
      lost.set(name, (lost.get(name) ?? false) || !(await isWhole(file, found)))
    }
    return [...lost].map(([name, isLost]) => ({ name, isLost }))
  } finally {
    await file.close()
  }
}

export async function removeSegment({ path }: DamagedSegment): Promise<void> {
  if (!basename(path).endsWith(DAMAGED)) throw new Error(`${path} may have something to be sent`)
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
}
