import { access, constants } from 'node:fs/promises'
import { resolve } from 'node:path'
import { privateDirectory } from '../atomic-file.js'
import { CommandError } from '../command-error.js'
import type { MountRequest } from '../mount-request.js'
import { JOURNAL_BYTES } from '../mount-write-back.js'

export interface StorageFlags {
  readonly cacheDir?: string
  readonly cacheSize?: number
  readonly writeBack?: boolean
  readonly writeBackSize?: number
}

const CACHE_BYTES = 10 * 2 ** 30

/** What a mount keeps on this machine's disk. */
export function localStorage(
  { cacheDir, cacheSize, writeBack, writeBackSize }: StorageFlags,
  workingDirectory: string,
): Pick<MountRequest, 'cache' | 'writeBack'> {
  if (cacheSize !== undefined && cacheDir === undefined) {
    throw new CommandError('--cache-size is about a directory; say which with --cache-dir')
  }
  if (writeBackSize !== undefined && writeBack !== true) {
    throw new CommandError('--write-back-size is about the journal of --write-back; give both')
  }
  const directory = cacheDir === undefined ? undefined : resolve(workingDirectory, cacheDir)
  return {
    ...(writeBack === true ? { writeBack: { bytes: writeBackSize ?? JOURNAL_BYTES } } : {}),
    ...(directory === undefined ? {} : { cache: { directory, bytes: cacheSize ?? CACHE_BYTES } }),
  }
}

const MISTAKES: ReadonlySet<unknown> = new Set(['EEXIST', 'ENOTDIR', 'EACCES', 'EPERM'])

/** A mount does without a cache whose disk is broken, but not without one that was named wrong. */
export async function prepareCache(directory: string | undefined): Promise<void> {
  if (directory === undefined) return
  try {
    await privateDirectory(directory)
    await access(directory, constants.W_OK)
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && MISTAKES.has(cause.code))) return
    throw new CommandError(`${directory} cannot be the cache: ${cause.message}`, { cause })
  }
}

/** What a mount needs to work cannot be behind it. */
export function refuseInside(
  mount: string,
  paths: Readonly<Record<string, string | undefined>>,
): void {
  for (const [what, path] of Object.entries(paths)) {
    if (path !== undefined && `${path}/`.startsWith(`${mount}/`)) {
      throw new CommandError(`${what} must not be inside the mount: ${path}`)
    }
  }
}
