import { access, constants, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { privateDirectory } from '../atomic-file.js'
import { briefly, TooLate } from '../briefly.js'
import { CommandError } from '../command-error.js'
import { codeOf, messageOf } from '../error-of.js'
import { koffi } from '../koffi.js'
import type { MountRequest } from '../mount/mount-request.js'
import { JOURNAL_BYTES } from '../mount/mount-write-back.js'

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

/** Without locks two mounts would write to one journal. @throws CommandError where there can be none */
export function requireLocks(what: string): void {
  try {
    koffi()
  } catch (cause) {
    throw new CommandError(
      `${what} needs the package koffi, which is not installed: nothing would be kept here. Run "npm install koffi" where Coffer is installed, or mount without ${what}.`,
      { cause },
    )
  }
}

const HANGING_MILLISECONDS = 10_000

/** A mount does without a cache whose disk hangs: nothing is to be asked of that any more. */
export async function withoutHanging(
  { cache, ...others }: MountRequest,
  warn: (message: string) => void,
): Promise<MountRequest> {
  if (cache === undefined) return others
  try {
    await briefly(withoutLinks(cache.directory), HANGING_MILLISECONDS)
    return { ...others, cache }
  } catch (error) {
    if (!(error instanceof TooLate)) throw error
    const why = messageOf(error)
    warn(`${cache.directory} cannot be used as a cache: the mount does without (${why})`)
    return others
  }
}

/** A disk that is full or broken. */
const DISK_TROUBLE: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EIO'])

/** A mount does without a cache whose disk is broken, but not without one that was named wrong. */
export async function prepareCache(directory: string | undefined, uid: number): Promise<void> {
  if (directory === undefined) return
  try {
    await privateDirectory(directory)
    await access(directory, constants.W_OK)
    refuseOthers(directory, await stat(directory), uid)
  } catch (cause) {
    if (cause instanceof CommandError) throw cause
    if (DISK_TROUBLE.has(codeOf(cause))) return
    const why = messageOf(cause)
    throw new CommandError(`${directory} cannot be the cache: ${why}`, { cause })
  }
}

const WRITE_BY_OTHERS = 0o022

/** Who may write to the directory may replace what is in it. */
function refuseOthers(directory: string, found: { uid: number; mode: number }, uid: number): void {
  if (found.uid !== uid) {
    throw new CommandError(
      `${directory} cannot be the cache: it belongs to another user (${found.uid}); name a directory of your own`,
    )
  }
  if ((found.mode & WRITE_BY_OTHERS) === 0) return
  const mode = (found.mode & 0o7777).toString(8)
  throw new CommandError(
    `${directory} cannot be the cache: others may write to it (mode ${mode}); name one that is yours alone`,
  )
}

/** What a mount needs to work cannot be behind it. */
export async function refuseInside(
  mount: string,
  paths: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (const [what, path] of Object.entries(paths)) {
    if (path !== undefined && `${await withoutLinks(path)}/`.startsWith(`${mount}/`)) {
      throw new CommandError(`${what} must not be inside the mount: ${path}`)
    }
  }
}

/** As the kernel will find it; what is not there yet has no links. */
async function withoutLinks(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(await withoutLinks(parent), basename(path))
  }
}
