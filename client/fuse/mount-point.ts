import { access, constants, readdir, readFile, realpath, stat, statfs } from 'node:fs/promises'
import { codeOf } from '../error-of.js'
import { MountError, type MountErrorCode } from './mount-error.js'

/** A dead mount answers ENOTCONN at once; one that hangs never answers. */
const PATIENCE_MILLISECONDS = 2000

/**
 * The directory itself, without symbolic links on the way.
 * @throws MountError unless one can mount on it
 */
export async function mountPoint(directory: string): Promise<string> {
  try {
    const found = await inTime(stat(directory))
    const real = await inTime(realpath(directory))
    if (!found.isDirectory()) throw new MountError('not-a-directory', directory)
    // An automounter mounts what it has for it first, unless it is the one that mounts by us.
    const names = await inTime(readdir(directory))
    if ((await mountOn(real).catch(unknown)) !== undefined) {
      // The kernel may know the attributes of a dead mount's root, but not these figures.
      await inTime(statfs(real))
      throw new MountError('already-mounted', directory)
    }
    if (names.length > 0) throw new MountError('not-empty', directory)
    return real
  } catch (error) {
    if (error instanceof MountError) throw error
    throw new MountError(mountCodeOf(error), directory, { cause: error })
  }
}

/** Whether a mount is there whose program has gone. */
export async function isStale(directory: string): Promise<boolean> {
  try {
    await mountPoint(directory)
    return false
  } catch (error) {
    return error instanceof MountError && error.code === 'stale'
  }
}

/** @throws MountError unless the user may open /dev/fuse */
export async function checkDevice(): Promise<void> {
  try {
    await access('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch (cause) {
    const missing = codeOf(cause) === 'ENOENT'
    throw new MountError(missing ? 'no-device' : 'device-denied', '/dev/fuse', { cause })
  }
}

/** Where there is no /proc, nothing is known of mounts. */
const unknown = () => undefined

/** A line of /proc/self/mountinfo (man 5 proc). */
export interface Mount {
  /** major:minor of its device */
  readonly device: string
  readonly directory: string
  /** Of the file system, such as "fuse.coffer". */
  readonly type: string
}

/** What an automounter has on a directory while nothing is mounted there. */
const AUTOFS = 'autofs'

/** The topmost mount on the directory, found without touching it. */
export async function mountOn(directory: string): Promise<Mount | undefined> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  return lines.map(mount).findLast((line) => line.directory === directory && line.type !== AUTOFS)
}

const AUTOFS_SUPER_MAGIC = 0x187

/**
 * Whether an automounter waits for what is to be mounted on the directory. Until then it lets nobody in but the processes of its own
 * process group (autofs in the kernel's documentation), which are those that it has started for that.
 */
export async function isAwaited(directory: string): Promise<boolean> {
  return (await statfs(directory)).type === AUTOFS_SUPER_MAGIC
}

/** ID parent major:minor root directory options … - type …; blanks in names are octal escapes */
function mount(line: string): Mount {
  const [, , device = '', , directory = '', ...others] = line.split(' ')
  const type = others[others.indexOf('-') + 1] ?? ''
  const unescaped = directory.replace(/(?:\\[0-7]{3})+/g, (escapes) =>
    Buffer.from(escapes.split('\\').slice(1).map(octal)).toString(),
  )
  return { device, directory: unescaped, type }
}

const octal = (digits: string): number => Number.parseInt(digits, 8)

const CODES: ReadonlyMap<unknown, MountErrorCode> = new Map([
  ['ENOENT', 'no-mount-point'],
  ['ENOTDIR', 'not-a-directory'],
  ['ENOTCONN', 'stale'],
  ['ECONNABORTED', 'stale'], // its program is just ending
  ['ETIMEDOUT', 'already-mounted'],
  ['EACCES', 'mount-point-denied'],
  ['EPERM', 'mount-point-denied'],
])

const mountCodeOf = (error: unknown): MountErrorCode => CODES.get(codeOf(error)) ?? 'failed'

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = Object.assign(new Error('the file system does not answer'), { code: 'ETIMEDOUT' })
    timer = setTimeout(() => reject(error), PATIENCE_MILLISECONDS)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
