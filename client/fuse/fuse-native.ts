import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'
import type { Binding, FileSystem, MountOptions } from './filesystem.js'
import { unmountDirectory } from './fusermount.js'
import { MountError } from './mount-error.js'
import { mountOn, mountPoint } from './mount-point.js'
import { type NativeOperation, pathOperations } from './path-operations.js'

/** What a mount over fuse-native (libfuse 2) cannot do. Told to the user at mount; docs/fuse.md says the same. */
export const FUSE_NATIVE_LIMITS: readonly string[] = [
  'Times are in milliseconds and not before 1970. Setting the times of a file sets the modification time to the access time, and setting the modification time alone is lost: cp -a, tar, rsync and make may be fooled.',
  'The kernel is not told what others change: it asks again after a second.',
  'The kernel does not say who asks: new files belong to the user of the mount.',
  'A file that is removed while open stays visible as .fuse_hidden… until it is closed.',
  'There is no renaming without replacing, no exchange, no O_TMPFILE, no fallocate, no seeking of holes and no copy on the server.',
  'O_EXCL is not passed on: two machines that create a file at once may both believe to have made it.',
  'An operation that waits cannot be interrupted.',
  'Asking for an extended attribute with too small a buffer gives EIO in place of ERANGE.',
  'Every operation looks its path up anew, and no request is larger than 128 KiB: it is slower.',
  'Locks (flock, fcntl) hold among the programs of one mount, not between machines.',
  'df counts at most 2^32 blocks.',
]

/** How often to look whether somebody else has unmounted: fuse-native does not notice. */
const LOOK_MILLISECONDS = 1000

/** The second binding: for where the first does not work. */
export const fuseNativeBinding: Binding = async (directory, fileSystem, options) => {
  const point = await mountPoint(directory)
  const Fuse = fuseNative()
  let lazy = false
  // Its own way hands the path to a shell, and fails where somebody else was faster.
  Fuse.unmount = (_, done) => {
    unmountIfMounted(point, lazy).then(() => done(null), done)
  }
  const { uid, gid } = userInfo()
  const fuse = new Fuse(point, pathOperations(fileSystem, { uid, gid }), nativeOptions(options))
  await promisify((done: Finished) => fuse.mount(done))().catch((cause: Error) => {
    throw new MountError('failed', cause.message, { cause })
  })
  fileSystem.init?.({
    invalidateEntry: () => undefined,
    invalidateInode: () => undefined,
    settled: async () => {},
    inodesSettled: async () => {},
  })

  const close = promisify((done: Finished) => fuse.unmount(done))
  const ended = end(point, fileSystem, close)
  return {
    ended: ended.promise,
    unmount: async (how) => {
      lazy = how.lazy
      await unmountDirectory(point, how.lazy)
      await ended.now()
    },
  }
}

type Finished = (error: Error | null) => void

/** The part of fuse-native 2.2 that we use; the package brings no types. */
interface FuseNative {
  unmount: (directory: string, done: Finished) => void
  new (
    directory: string,
    operations: Record<string, NativeOperation>,
    options: ReturnType<typeof nativeOptions>,
  ): { mount(done: Finished): void; unmount(done: Finished): void }
}

export function fuseNative(): FuseNative {
  try {
    return createRequire(import.meta.url)('fuse-native')
  } catch (cause) {
    throw new MountError('no-fuse-native', 'fuse-native', { cause })
  }
}

/** The package has no option for them, but joins the name into libfuse's options as it is. */
function nativeOptions(options: MountOptions) {
  const name = options.fsname.replace(/[\\,]/g, '\\$&')
  const { subtype, readOnly, noExec, allowOther, defaultPermissions } = options
  const fsname = `${name},big_writes,use_ino${readOnly ? ',ro' : ''}${noExec ? ',noexec' : ''}`
  return { fsname, subtype, allowOther, defaultPermissions, timeout: false } as const
}

async function unmountIfMounted(point: string, lazy: boolean): Promise<void> {
  if ((await mountOn(point)) !== undefined) await unmountDirectory(point, lazy)
}

function end(point: string, fileSystem: FileSystem, close: () => Promise<void>) {
  let settle: (ending: Promise<void>) => void = () => undefined
  const promise = new Promise<void>((resolve) => {
    settle = resolve
  })
  let ending: Promise<void> | undefined
  const now = (): Promise<void> => {
    clearInterval(timer)
    ending ??= close().then(() => fileSystem.destroy?.())
    settle(ending)
    return ending
  }
  const timer = setInterval(async () => {
    const mount = await mountOn(point).catch(() => null)
    if (mount === undefined) void now()
  }, LOOK_MILLISECONDS)
  return { promise, now }
}
