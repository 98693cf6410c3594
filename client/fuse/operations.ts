import { constants } from 'node:os'
import { FuseError } from './errno.js'
import {
  type Context,
  type FileSystem,
  type FuseCreated,
  type FuseDirectoryEntryPlus,
  type FuseEntry,
  type Node,
  SHORT_WRITE,
} from './filesystem.js'
import { lkOut } from './lock.js'
import type { OperationName } from './protocol.js'
import {
  attrOut,
  countOut,
  direntsOut,
  direntsPlusOut,
  entryOut,
  isDotEntry,
  negativeEntryOut,
  offsetOut,
  openOut,
  statfsOut,
} from './reply.js'
import type { Request, Requests } from './request.js'
import { type Soon, when } from './soon.js'

/**
 * What an operation answers. `undo` gives back what the kernel did not take: its caller had gone. `about` are the nodes of which it says what
 * the kernel may take up after it was told to drop that (see LateAnswers).
 */
export type Answer = { readonly about?: readonly Node[] } & (
  | { readonly kind: 'status'; readonly errno: number }
  | {
      readonly kind: 'structure'
      readonly encode: (out: Buffer, at: number) => number
      readonly undo?: () => void
    }
  | { readonly kind: 'bytes'; readonly data: Buffer; readonly undo?: () => void }
)

export const done: Answer = { kind: 'status', errno: 0 }
const noData: Answer = { kind: 'status', errno: constants.errno.ENODATA }
const structure = (encode: (out: Buffer, at: number) => number): Answer => ({
  kind: 'structure',
  encode,
})
const bytes = (data: Buffer): Answer => ({ kind: 'bytes', data })

/** Operations that are answered by nobody (forget, interrupt) or by the session itself (init). */
type Elsewhere = 'init' | 'forget' | 'batch_forget' | 'interrupt' | 'destroy'
export type Operation = Exclude<OperationName, Elsewhere>

type Operations = {
  readonly [Op in Operation]: (
    fs: FileSystem,
    node: Node,
    fields: Requests[Op],
    context: Context,
  ) => Soon<Answer>
}

/** One line per request: what it calls, and which structure its answer is. */
export const OPERATIONS: Operations = {
  lookup: (fs, node, { name }, context) =>
    when(fs.lookup(node, name, context), (entry) => lookedUp(fs, node, entry)),
  getattr: (fs, node, { handle }, context) =>
    when(fs.getattr(node, handle, context), (attributes) =>
      structure((out, at) => attrOut(out, at, attributes)),
    ),
  setattr: async (fs, node, { changes, handle }, context) => {
    const attributes = await fs.setattr(node, changes, handle, context)
    return { ...structure((out, at) => attrOut(out, at, attributes)), about: [node] }
  },
  readlink: async (fs, node, _, context) => bytes(Buffer.from(await fs.readlink(node, context))),
  symlink: async (fs, node, { name, target }, context) =>
    entered(fs, await fs.symlink(node, name, target, context)),
  mknod: async (fs, node, { name, mode, rdev }, context) =>
    entered(fs, await fs.mknod(node, name, mode, rdev, context)),
  mkdir: async (fs, node, { name, mode }, context) =>
    entered(fs, await fs.mkdir(node, name, mode, context)),
  unlink: async (fs, node, { name }, context) => finished(fs.unlink(node, name, context)),
  rmdir: async (fs, node, { name }, context) => finished(fs.rmdir(node, name, context)),
  rename: renamed,
  rename2: renamed,
  link: async (fs, node, { source, newName }, context) =>
    entered(fs, await fs.link(source, node, newName, context)),

  open: (fs, node, { flags }, context) =>
    when(fs.open(node, flags, context), (open) => ({
      kind: 'structure',
      encode: (out, at) => openOut(out, at, open, 'file'),
      undo: () => unawaited(() => fs.release(node, open.handle, context)),
    })),
  create: (fs, node, { name, mode, flags }, context) =>
    when(fs.create(node, name, mode, flags, context), (created) => opened(fs, created, context)),
  tmpfile: async (fs, node, { mode, flags }, context) => {
    if (fs.tmpfile === undefined) throw missing('tmpfile')
    return opened(fs, await fs.tmpfile(node, mode, flags, context), context)
  },
  read: async (fs, node, { handle, offset, size }, context) => {
    const data = await fs.read(node, handle, offset, size, context)
    return bytes(data.length > size ? data.subarray(0, size) : data)
  },
  write: (fs, node, { handle, offset, data }, context) =>
    when(fs.write(node, handle, offset, data, context), (count) =>
      structure((out, at) => countOut(out, at, count)),
    ),
  flush: (fs, node, { handle, lockOwner }, context) =>
    finished(fs.flush(node, handle, context, lockOwner)),
  getlk: async (fs, node, { handle, change }, context) => {
    if (fs.getlk === undefined) throw missing('getlk')
    const lock = await fs.getlk(node, handle, change, context)
    return structure((out, at) => lkOut(out, at, lock))
  },
  setlk: locked('at once'),
  setlkw: locked('waiting'),
  release: (fs, node, { handle }, context) => finished(fs.release(node, handle, context)),
  fsync: async (fs, node, { handle, dataOnly }, context) =>
    finished(fs.fsync(node, handle, dataOnly, context)),
  fallocate: async (fs, node, { handle, offset, length, mode }, context) => {
    if (fs.fallocate === undefined) throw missing('fallocate')
    return finished(fs.fallocate(node, handle, offset, length, mode, context))
  },
  lseek: async (fs, node, { handle, offset, whence }, context) => {
    if (fs.lseek === undefined) throw missing('lseek')
    const found = await fs.lseek(node, handle, offset, whence, context)
    return structure((out, at) => offsetOut(out, at, found))
  },
  copy_file_range: async (fs, node, { from, to, length }, context) => {
    if (fs.copyFileRange === undefined) throw missing('copyFileRange')
    const source = { node, ...from }
    const count = await fs.copyFileRange(source, to, Math.min(length, MOST_COPIED), context)
    return structure((out, at) => countOut(out, at, count))
  },

  opendir: (fs, node, _, context) =>
    when(fs.opendir(node, context), (open) => ({
      kind: 'structure',
      encode: (out, at) => openOut(out, at, open, 'directory'),
      undo: () => unawaited(() => fs.releasedir(node, open.handle, context)),
    })),
  readdir: async (fs, node, { handle, offset, size }, context) =>
    bytes(direntsOut(size, await fs.readdir(node, handle, offset, size, context))),
  readdirplus: async (fs, node, { handle, offset, size }, context) => {
    if (fs.readdirplus === undefined) throw missing('readdirplus')
    const entries = await fs.readdirplus(node, handle, offset, size, context)
    const { data, taken } = direntsPlusOut(size, entries)
    forgetAll(fs, entries.slice(taken))
    const given = entries.slice(0, taken)
    const about = given.map(({ entry }) => entry.node)
    return { kind: 'bytes', data, undo: () => forgetAll(fs, given), about }
  },
  releasedir: (fs, node, { handle }, context) => finished(fs.releasedir(node, handle, context)),
  fsyncdir: async (fs, node, { handle }, context) => finished(fs.fsyncdir(node, handle, context)),

  statfs: async (fs, node, _, context) => {
    const statfs = await fs.statfs(node, context)
    return structure((out, at) => statfsOut(out, at, statfs))
  },
  access: (fs, node, { mask }, context) => finished(fs.access(node, mask, context)),
  setxattr: async (fs, node, { name, value, flags }, context) =>
    finished(fs.setxattr(node, name, value, flags, context)),
  getxattr: (fs, node, { name, size }, context) =>
    when(fs.getxattr(node, name, context), (value) =>
      value === undefined ? noData : sized(value, size),
    ),
  listxattr: async (fs, node, { size }, context) => {
    const names = await fs.listxattr(node, context)
    return sized(Buffer.from(names.map((name) => `${name}\0`).join('')), size)
  },
  removexattr: async (fs, node, { name }, context) => finished(fs.removexattr(node, name, context)),
}

/** Those that change nothing: when their caller is interrupted, they need not be waited for. */
export const READ_ONLY: ReadonlySet<OperationName> = new Set<Operation>([
  'lookup',
  'getattr',
  'readlink',
  'read',
  'statfs',
  'readdir',
  'readdirplus',
  'access',
  'getxattr',
  'listxattr',
  'lseek',
])

/** The count of an answer has 32 bits, of which programs like the lower 31. */
const MOST_COPIED = 0x7fff_f000

/** The kernel remembers ENOSYS and does not ask again. */
const missing = (method: keyof FileSystem) => new FuseError('ENOSYS', `no ${method}`)

function finished(operation: Soon<void>): Soon<Answer> {
  return operation instanceof Promise ? operation.then(() => done) : done
}

function entered(fs: FileSystem, entry: FuseEntry, about: readonly Node[] = [entry.node]): Answer {
  return {
    kind: 'structure',
    encode: (out, at) => entryOut(out, at, entry),
    undo: () => fs.forget(entry.node, 1),
    about,
  }
}

function opened(fs: FileSystem, { entry, open }: FuseCreated, context: Context): Answer {
  return {
    kind: 'structure',
    encode: (out, at) => openOut(out, entryOut(out, at, entry), open, 'file'),
    undo: () => {
      unawaited(() => fs.release(entry.node, open.handle, context))
      fs.forget(entry.node, 1)
    },
    about: [entry.node],
  }
}

function forgetAll(fs: FileSystem, entries: readonly FuseDirectoryEntryPlus[]): void {
  for (const { name, entry } of entries) {
    if (entry.node !== 0 && !isDotEntry(name)) fs.forget(entry.node, 1)
  }
}

function lookedUp(fs: FileSystem, parent: Node, entry: FuseEntry): Answer {
  if (entry.node !== 0) return entered(fs, entry, [parent, entry.node])
  return structure((out, at) => negativeEntryOut(out, at, entry.validMilliseconds))
}

function locked(way: 'at once' | 'waiting'): Operations['setlk'] {
  return (fs, node, { handle, change }, context) => {
    if (fs.setlk === undefined) throw missing('setlk')
    return finished(fs.setlk(node, handle, change, way, context))
  }
}

/** Operations that may wait for long. */
export const LOCKING: ReadonlySet<OperationName> = new Set(['getlk', 'setlk', 'setlkw'])

/** What a file still has to do when it is closed, `destroy` does for all that are open. */
export const CLOSING: ReadonlySet<OperationName> = new Set(['flush', 'release', 'releasedir'])

/** What holds nothing in the kernel that dropping waits for: who closes may wait for a lock, and that for dropping. */
export const HOLDING_NOTHING: ReadonlySet<OperationName> = new Set([
  ...LOCKING,
  ...CLOSING,
  'lseek',
])

/** Operations on a directory that give a name in it: the kernel holds the lock of the directory's names for them, and no page. */
export const NAMING: ReadonlySet<OperationName> = new Set<Operation>([
  'create',
  'mkdir',
  'mknod',
  'symlink',
  'link',
  'rename',
  'rename2',
])

async function renamed(
  fs: FileSystem,
  node: Node,
  { name, newParent, newName, flags }: Requests['rename'],
  context: Context,
): Promise<Answer> {
  return finished(fs.rename(node, name, newParent, newName, flags, context))
}

/** The rule of getxattr(2): size 0 asks how long the value is, too small a size is ERANGE. */
function sized(value: Buffer, size: number): Answer {
  if (size === 0) return structure((out, at) => countOut(out, at, value.length))
  if (value.length > size) throw new FuseError('ERANGE', `the value has ${value.length} bytes`)
  return bytes(value)
}

/** The kernel did not take the answer. */
export function undo(answer: Answer): void {
  if ('undo' in answer) answer.undo?.()
}

/** Nobody is left to hear of an error here: the open file goes, as close(2) says, whatever happens. */
function unawaited(operation: () => Soon<void>): void {
  void (async () => operation())().catch(() => undefined)
}

/** Its bytes are still to be taken from the buffer it came in. */
export function needsBuffer({ op, fields }: Request): boolean {
  return op === 'write' && fields.data.length >= SHORT_WRITE
}
