import { errnoOf, FuseError } from './errno.js'
import type {
  Context,
  FileSystem,
  FuseAttributes,
  FuseCreated,
  FuseDirectoryEntry,
  Handle,
  Node,
  SetAttributes,
} from './filesystem.js'
import type { Timespec } from './integers.js'
import { ROOT_ID } from './protocol.js'
import { isDotEntry } from './reply.js'
import type { Soon } from './soon.js'

type Done = (status: number, ...results: unknown[]) => void
export type NativeOperation = (...args: never[]) => void

/** An open file: fuse-native knows it by a small number. */
interface Open {
  readonly node: Node
  readonly handle: Handle
}

const UNCHANGED_ID = 0xffff_ffff
/** A listing needs types only, but without these the present would be taken. */
const NO_TIMES = { atime: 0, mtime: 0, ctime: 0 } as const
const LARGEST_LISTING = 1 << 20
const O_RDWR = 2

/** The operations of fuse-native, path by path, over a file system that works inode by inode. */
export function pathOperations(
  fs: FileSystem,
  owner: { uid: number; gid: number },
): Record<string, NativeOperation> {
  const context: Context = { ...owner, pid: 0, signal: new AbortController().signal }
  const files = new Map<number, Open>()
  let nextFile = 1

  /** Runs `work` on the node a path leads to; the references that the way takes are given back afterwards. */
  async function at<Result>(path: string, work: (node: Node) => Soon<Result>): Promise<Result> {
    const taken: Node[] = []
    let node = ROOT_ID
    try {
      for (const name of path.split('/').filter((part) => part !== '')) {
        const entry = await fs.lookup(node, name, context)
        if (entry.node === 0) throw new FuseError('ENOENT', name)
        node = entry.node
        taken.push(node)
      }
      return await work(node)
    } finally {
      for (const each of taken) fs.forget(each, 1)
    }
  }

  /** Runs `work` on the directory of a path, with the path's last name. */
  const inside = <Result>(
    path: string,
    work: (parent: Node, name: string) => Promise<Result>,
  ): Promise<Result> => {
    const slash = path.lastIndexOf('/')
    return at(path.slice(0, slash), (parent) => work(parent, path.slice(slash + 1)))
  }

  const opened = (file: number): Open => {
    const open = files.get(file)
    if (open === undefined) throw new FuseError('EBADF', `file ${file} is not open`)
    return open
  }

  /** An open file is known by number from now on; it holds a reference of its own until it is released. */
  const keep = (open: Open): number => {
    const file = nextFile++
    files.set(file, open)
    return file
  }

  const created = ({ entry, open }: FuseCreated): number =>
    keep({ node: entry.node, handle: open.handle })

  const open = (path: string, how: (node: Node) => Soon<{ handle: Handle }>) =>
    inside(path, async (parent, name) => {
      const node = name === '' ? ROOT_ID : (await fs.lookup(parent, name, context)).node
      if (node === 0) throw new FuseError('ENOENT', name)
      try {
        return keep({ node, handle: (await how(node)).handle })
      } catch (error) {
        if (node !== ROOT_ID) fs.forget(node, 1)
        throw error
      }
    })

  const close = async (file: number, how: (open: Open) => Soon<void>) => {
    const open = opened(file)
    files.delete(file)
    try {
      await how(open)
    } finally {
      if (open.node !== ROOT_ID) fs.forget(open.node, 1)
    }
  }

  const made = async (entry: Promise<{ node: Node }>): Promise<void> => {
    fs.forget((await entry).node, 1)
  }

  const set = async (path: string, changes: SetAttributes): Promise<void> => {
    await at(path, (node) => fs.setattr(node, changes, undefined, context))
  }

  async function entries(node: Node, handle: Handle): Promise<FuseDirectoryEntry[]> {
    const found: FuseDirectoryEntry[] = []
    for (let offset = 0; ; ) {
      const page = await fs.readdir(node, handle, offset, LARGEST_LISTING, context)
      const last = page.at(-1)
      if (last === undefined) return found
      found.push(...page.filter(({ name }) => !isDotEntry(name)))
      offset = last.offset
    }
  }

  const promised = {
    getattr: (path: string) =>
      at(path, async (node) => stat(await fs.getattr(node, undefined, context))),
    fgetattr: (path: string) =>
      at(path, async (node) => stat(await fs.getattr(node, undefined, context))),
    statfs: (path: string) =>
      at(path, async (node) => {
        const { namelen, ffree, ...numbers } = await fs.statfs(node, context)
        const fragment = { frsize: numbers.bsize, namemax: namelen }
        return { ...numbers, ...fragment, ffree, favail: ffree }
      }),
    access: (path: string, mask: number) => at(path, (node) => fs.access(node, mask, context)),
    readlink: (path: string) => at(path, (node) => fs.readlink(node, context)),
    truncate: (path: string, size: number) => set(path, { size }),
    ftruncate: async (_: string, file: number, size: number) => {
      const { node, handle } = opened(file)
      await fs.setattr(node, { size }, handle, context)
    },
    utimens: (path: string, atime: number, mtime: number) =>
      set(path, { atime: nanoseconds(atime), mtime: nanoseconds(mtime) }),
    chown: (path: string, uid: number, gid: number) =>
      set(path, {
        ...(uid >>> 0 === UNCHANGED_ID ? {} : { uid }),
        ...(gid >>> 0 === UNCHANGED_ID ? {} : { gid }),
      }),
    chmod: (path: string, mode: number) => set(path, { mode }),
    mknod: (path: string, mode: number, rdev: number) =>
      inside(path, (parent, name) => made(fs.mknod(parent, name, mode, rdev, context))),
    mkdir: (path: string, mode: number) =>
      inside(path, (parent, name) => made(fs.mkdir(parent, name, mode, context))),
    symlink: (target: string, path: string) =>
      inside(path, (parent, name) => made(fs.symlink(parent, name, target, context))),
    link: (source: string, path: string) =>
      at(source, (node) =>
        inside(path, (parent, name) => made(fs.link(node, parent, name, context))),
      ),
    unlink: (path: string) => inside(path, (parent, name) => fs.unlink(parent, name, context)),
    rmdir: (path: string) => inside(path, (parent, name) => fs.rmdir(parent, name, context)),
    rename: (from: string, to: string) =>
      inside(from, (parent, name) =>
        inside(to, (newParent, newName) => fs.rename(parent, name, newParent, newName, 0, context)),
      ),
    open: (path: string, flags: number) => open(path, (node) => fs.open(node, flags, context)),
    create: (path: string, mode: number) =>
      inside(path, async (parent, name) =>
        created(await fs.create(parent, name, mode, O_RDWR, context)),
      ),
    flush: async (_: string, file: number) => {
      const { node, handle } = opened(file)
      await fs.flush(node, handle, context)
    },
    fsync: async (_: string, dataOnly: number, file: number) => {
      const { node, handle } = opened(file)
      await fs.fsync(node, handle, dataOnly !== 0, context)
    },
    release: (_: string, file: number) =>
      close(file, ({ node, handle }) => fs.release(node, handle, context)),
    setxattr: (path: string, name: string, value: Buffer, _position: number, flags: number) =>
      at(path, (node) => fs.setxattr(node, name, Buffer.from(value), flags, context)),
    getxattr: (path: string, name: string) =>
      at(path, async (node) => {
        const value = await fs.getxattr(node, name, context)
        if (value === undefined) throw new FuseError('ENODATA', name)
        return value
      }),
    listxattr: (path: string) => at(path, (node) => fs.listxattr(node, context)),
    removexattr: (path: string, name: string) =>
      at(path, (node) => fs.removexattr(node, name, context)),
  }

  const listed = {
    readdir: (path: string) =>
      at(path, async (node) => {
        const { handle } = await fs.opendir(node, context)
        return entries(node, handle).finally(async () => fs.releasedir(node, handle, context))
      }),
  }

  /** Those two answer with the count of bytes in place of a status. */
  const counted = {
    read: async (_: string, file: number, buffer: Buffer, length: number, offset: number) => {
      const { node, handle } = opened(file)
      return (await fs.read(node, handle, offset, length, context)).copy(buffer, 0, 0, length)
    },
    write: async (_: string, file: number, buffer: Buffer, length: number, offset: number) => {
      const { node, handle } = opened(file)
      if (!Number.isSafeInteger(offset + length)) throw new FuseError('EFBIG', 'beyond 2^53')
      return fs.write(node, handle, offset, buffer.subarray(0, length), context)
    },
  }

  return {
    ...answered<unknown>(fs, promised, (done, result) => done(0, result)),
    ...answered(fs, listed, (done, found) => {
      const names = found.map(({ name }) => name)
      done(
        0,
        names,
        found.map(({ type, ino }) => ({ mode: type, ino, ...NO_TIMES })),
      )
    }),
    ...answered(fs, counted, (done, count) => done(count, count)),
  }
}

function answered<Result>(
  fs: FileSystem,
  operations: Record<string, (...args: never[]) => Promise<Result>>,
  succeed: (done: Done, result: Result) => void,
): Record<string, NativeOperation> {
  return Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [
      name,
      (...args: never[]) => {
        const done = args.pop() as unknown as Done
        operation(...args).then(
          (result) => succeed(done, result),
          (error) => {
            if (!(error instanceof Error && 'code' in error)) fs.failed?.(name, error)
            done(-errnoOf(error))
          },
        )
      },
    ]),
  )
}

/** Before 1970 it has no times. */
const milliseconds = ({ seconds, nanoseconds }: Timespec): number =>
  Math.max(0, seconds * 1000 + Math.trunc(nanoseconds / 1e6))
const nanoseconds = (milliseconds: number): bigint => BigInt(Math.trunc(milliseconds)) * 1_000_000n

function stat({ atime, mtime, ctime, validMilliseconds: _, ...numbers }: FuseAttributes) {
  return {
    ...numbers,
    atime: milliseconds(atime),
    mtime: milliseconds(mtime),
    ctime: milliseconds(ctime),
  }
}
