import { briefly } from '../briefly.js'
import type {
  Context,
  FuseAttributes,
  FuseEntry,
  Handle,
  Kernel,
  Node,
  SetAttributes,
} from '../fuse/filesystem.js'
import { type Soon, when } from '../fuse/soon.js'
import type { RemoteFiles, RemoteNew } from '../remote/remote-files.js'
import { orStale, refusal, unlessInterrupted } from './answer.js'
import { tellUnset } from './content/nodes.js'
import { MountState } from './mount-state.js'
import { ChangingAttributes } from './operations/changing-attributes.js'
import { ownership, special } from './operations/creation.js'
import { Directories } from './operations/directories.js'
import { isNeverSet, refuseForeignNamespace, xattrMode } from './operations/extended-attributes.js'
import { lockOperations } from './operations/lock-operations.js'
import { openOperations } from './operations/opening.js'
import { rangeOperations } from './operations/range-operations.js'
import { storedChanges } from './operations/stored-changes.js'
import type { CofferFileSystem, FileSystemOptions } from './options.js'
import { localTime } from './time.js'

const TICK_MILLISECONDS = 1000
const RENAME_MODES = ['replace', 'noreplace', 'exchange'] as const

/** The remote tree as a file system: one entry per operation of fuse(4). */
export function fileSystem(remote: RemoteFiles, options: FileSystemOptions): CofferFileSystem {
  const state = new MountState(remote, options)
  const { files, cache, nodes, view, lookups, names, contents, open, unawaited, log } = state
  const directories = new Directories(state)
  const attributes = new ChangingAttributes(state)
  const dropPrivileges = (node: Node) => attributes.dropPrivileges(node)
  const ino = (node: Node) => nodes.ino(node)
  const place = (parent: Node, name: string) => ({ directory: ino(parent), name })
  let timer: NodeJS.Timeout | undefined

  async function made(
    parent: Node,
    name: string,
    what: RemoteNew,
    mode: number,
    context: Context,
  ): Promise<FuseEntry> {
    const attributes = ownership(mode, context, state.owners)
    const isDirectory = what.type === 'directory'
    const wish = isDirectory ? state.leases?.wish() : undefined
    state.tried(place(parent, name))
    const made = await names.make(place(parent, name), what, attributes, wish)
    const { nameMilliseconds, milliseconds } = made
    const entry = view.entry(ino(parent), made.attributes, nameMilliseconds, milliseconds)
    if (isDirectory) state.leases?.made(made.attributes, wish)
    await state.caughtUp()
    return entry
  }

  function attributesOf(node: Node, handle?: Handle): Soon<FuseAttributes> {
    const known = nodes.get(node)
    const content = known?.content
    if (handle !== undefined) state.locks?.refuseLost(handle)
    if (known === undefined || content === undefined || content.isClean)
      // A new file changes the times of its directory when it comes there: so it comes before they are told, or others are set.
      return when(state.newFilesSent(ino(node)), () => asStored(node))
    // By its handle the kernel asks for the size alone, after a read at the end or before a seek: nothing of that is kept.
    if (handle !== undefined) return view.attributesOf(known, content.attributes(), 0)
    const asKnown = () =>
      content.isClean
        ? asStored(node)
        : view.attributesOf(known, content.attributes(), cache.timeout)
    if (content.isBlank) return asKnown()
    // Times come from the server, and stay as they were first seen: so what is unsent goes first.
    return content.flush().then(asKnown, asKnown)
  }

  function asStored(node: Node): Soon<FuseAttributes> {
    const known = nodes.get(node)
    return when(state.stat(ino(node)), ({ value, milliseconds }) =>
      when(state.locks?.upheld(ino(node)), () =>
        known === undefined
          ? view.attributes(value, milliseconds)
          : view.attributesOf(known, value, milliseconds),
      ),
    )
  }

  /** Its time is another one. */
  function hasChanged(node: Node): void {
    cache.changed(ino(node))
    const known = nodes.get(node)
    if (known?.removed !== undefined) known.removed = { ...known.removed, ctime: localTime() }
  }

  async function resize(node: Node, size: number, handle: Handle | undefined): Promise<void> {
    const mustHold = () => {
      if (handle !== undefined) state.locks?.refuseLost(handle)
    }
    const known = nodes.known(ino(node))
    const content = await contents.of(known)
    open.dropReadAhead(known)
    if (size === 0) await content.cut(mustHold)
    else await content.resize(size, mustHold)
    if (known.writers === 0) await content.flush()
    contents.settle(known)
  }

  const operations: CofferFileSystem = {
    killsPrivileges: true,
    init(kernel: Kernel) {
      state.connect(kernel)
      if (files.journals === true) state.numbers.prepare()
      timer = setInterval(() => {
        contents.tick()
        state.leases?.tick()
      }, TICK_MILLISECONDS).unref()
    },
    lookup: (parent, name) => lookups.lookup(place(parent, name)),
    forget: (node, count) => nodes.forget(node, count),
    getattr: (node, handle, context) => unlessInterrupted(attributesOf(node, handle), context),
    async setattr(node, changes: SetAttributes, handle, context) {
      if (handle !== undefined) state.locks?.refuseLost(handle)
      if (changes.size !== undefined) await resize(node, changes.size, handle)
      if (context.killPrivileges === true) await dropPrivileges(node)
      const isOwned = changes.uid !== undefined || changes.gid !== undefined
      if (isOwned && changes.mode === undefined) await dropPrivileges(node)
      if (changes.mtime !== undefined) await state.newFilesSent(ino(node))
      await attributes.change(node, storedChanges(changes, state.owners))
      const content = nodes.get(node)?.content
      if (content !== undefined && !content.isClean) return view.attributes(content.attributes(), 0)
      const meanwhile = attributes.meanwhile(ino(node))
      if (meanwhile !== undefined) return view.attributes(meanwhile, cache.timeout)
      return attributesOf(node)
    },
    async readlink(node) {
      const { value } = await state.stat(ino(node))
      if (value.target === undefined) throw refusal('EINVAL', 'not a symlink')
      return value.target
    },
    symlink: (parent, name, target, context) =>
      made(parent, name, { type: 'symlink', target }, 0o777, context),
    mknod: (parent, name, mode, rdev, context) =>
      made(parent, name, special(mode, rdev), mode, context),
    mkdir: (parent, name, mode, context) =>
      made(parent, name, { type: 'directory' }, mode, context),
    unlink: (parent, name) => names.remove(place(parent, name), 'unlink'),
    rmdir: (parent, name) => names.remove(place(parent, name), 'rmdir'),
    async rename(parent, name, newParent, newName, flags) {
      const mode = RENAME_MODES[flags]
      if (mode === undefined) throw refusal('EINVAL', `rename flags ${flags} are not known`)
      const [from, to] = [place(parent, name), place(newParent, newName)]
      for (const tried of [from, to]) state.tried(tried)
      await names.rename(from, to, mode)
      for (const moved of mode === 'exchange' ? [from, to] : [to]) state.moved(moved)
      await state.caughtUp()
    },
    async link(node, newParent, newName) {
      state.tried(place(newParent, newName))
      await state.sent(ino(node))
      const linked = await names.link(ino(node), place(newParent, newName))
      const known = nodes.get(node)
      if (known !== undefined) known.isOrphan = false
      await state.caughtUp()
      const { attributes, nameMilliseconds, milliseconds } = linked
      return view.entry(ino(newParent), attributes, nameMilliseconds, milliseconds)
    },

    ...openOperations(state, made, dropPrivileges),
    read: (_, handle, offset, size, context) => open.read(handle, offset, size, context),
    write(node, handle, offset, data, context) {
      const way = context.fromPages === true ? 'in place' : 'as opened'
      const written = unlessInterrupted(open.write(handle, offset, data, way), context)
      if (context.killPrivileges !== true) return written
      return when(written, (count) => dropPrivileges(node).then(() => count))
    },
    ...lockOperations(state),
    async fsync(node, handle, _, context) {
      state.locks?.refuseLost(handle)
      if (unawaited.count > 0) await unlessInterrupted(unawaited.about(ino(node)), context)
      const content = nodes.get(node)?.content
      const synced = content?.isClean === false ? content.sync() : files.sync(ino(node))
      await unlessInterrupted(orStale(synced), context)
      state.locks?.refuseLost(handle)
      tellUnset(nodes.get(node))
    },
    ...rangeOperations(state),

    opendir: (node) => directories.open(ino(node)),
    readdir: (node, handle, offset, size) => directories.entries(node, handle, offset, size),
    readdirplus: (node, handle, offset, size) =>
      directories.entriesPlus(node, handle, offset, size),
    releasedir: (_, handle) => directories.close(handle),
    async fsyncdir(node, _, context) {
      if (nodes.get(node)?.removed !== undefined) return
      await state.unborn.sendAll(ino(node))
      await unlessInterrupted(
        orStale(
          unawaited
            .all()
            .then(() => nodes.get(node)?.content?.flush())
            .then(() => state.durable.sync(ino(node))),
        ),
        context,
      )
      tellUnset(nodes.get(node))
    },
    /** With default_permissions the kernel asks nobody; without it whoever mounts may. */
    access() {},
    async statfs() {
      const totals = await files.totals()
      const size = totals.block_size
      const free = Math.floor(totals.free_bytes / size)
      return {
        bsize: size,
        blocks: Math.floor(totals.total_bytes / size),
        bfree: free,
        bavail: free,
        files: totals.total_inodes,
        ffree: totals.free_inodes,
        namelen: totals.name_max,
      }
    },

    async setxattr(node, name, value, flags) {
      refuseForeignNamespace(name)
      await state.sent(ino(node))
      await orStale(files.setXattr(ino(node), name, value, xattrMode(flags)))
      hasChanged(node)
    },
    getxattr(node, name) {
      if (isNeverSet(name)) return undefined
      refuseForeignNamespace(name)
      return when(state.sent(ino(node)), () => orStale(files.getXattr(ino(node), name)))
    },
    async listxattr(node) {
      await state.sent(ino(node))
      return orStale(files.listXattrs(ino(node)))
    },
    async removexattr(node, name) {
      refuseForeignNamespace(name)
      await state.sent(ino(node))
      await orStale(files.removeXattr(ino(node), name))
      hasChanged(node)
    },
    failed: (operation, error) => log(`${operation} failed`, error),
    believed: (ino) => cache.attributes(ino)?.value,
    conflicts: () => ({ overwritten: state.overwritten, copies: 0, yielded: state.yielded }),
    pending() {
      const { bytes, files } = contents.pending()
      return { bytes, files: files + unawaited.count }
    },
    async drain() {
      await unawaited.all()
      await contents.drain()
    },
    async destroy() {
      clearInterval(timer)
      state.disconnect()
      await briefly(state.orphans.releaseAll()).catch((error: unknown) => {
        log('what was removed and still open stays on the server for a day', error)
      })
      await unawaited.all()
      await contents.drain()
      state.locks?.end()
    },
  }
  return operations
}
