import type {
  Context,
  FileSystem,
  FuseCreated,
  FuseEntry,
  FuseOpen,
  Node,
} from '../../fuse/filesystem.js'
import { type Soon, when } from '../../fuse/soon.js'
import type { RemoteNew } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import { orStale, refusal } from '../answer.js'
import type { KnownNode } from '../content/nodes.js'
import type { MountState } from '../mount-state.js'
import { O_EXCL, O_TRUNC } from '../open-files/handles.js'
import { inherited, ownership, planned } from './creation.js'

/** Makes something on the server. */
type Make = (
  parent: Node,
  name: string,
  what: RemoteNew,
  mode: number,
  context: Context,
) => Promise<FuseEntry>

/** open(2), of what is there, of what is not, and of what has no name. */
export function openOperations(
  state: MountState,
  make: Make,
  dropPrivileges: (node: Node) => Promise<void>,
): Pick<FileSystem, 'open' | 'create' | 'tmpfile'> {
  const { files, cache, nodes, view, lookups, contents, numbers, unborn, owners, leases } = state
  const ino = (node: Node) => nodes.ino(node)

  function open(node: Node, flags: number, context: Context): Soon<FuseOpen> {
    const known = nodes.known(ino(node))
    const losing = state.names.losing.of(known.ino)
    if (losing !== undefined) return losing.then(() => open(node, flags, context))
    const opened = openNow(known, flags, context)
    return opened instanceof Promise ? heldUntil(opened, known) : opened
  }

  /** From the first moment it counts as open: who takes its last name away meanwhile leaves it on the server. */
  async function heldUntil(opened: Promise<FuseOpen>, node: KnownNode): Promise<FuseOpen> {
    node.opens += 1
    try {
      return await opened
    } finally {
      node.opens -= 1
      if (node.opens === 0) {
        nodes.drop(node)
        if (node.isOrphan) await state.orphans.release(node)
      }
    }
  }

  function openNow(known: KnownNode, flags: number, context: Context): Soon<FuseOpen> {
    const { content } = known
    const version =
      content?.isClean === false
        ? content.attributes().version
        : when(state.stat(known.ino), ({ value }) => value.version)
    if ((flags & O_TRUNC) === 0) return when(version, (is) => state.open.open(known, flags, is))
    return when(version, (is) => cut(known, is, flags, context))
  }

  async function cut(node: KnownNode, version: number, flags: number, context: Context) {
    await (await contents.of(node)).cut()
    state.open.dropReadAhead(node)
    if (context.killPrivileges === true) await dropPrivileges(node.id)
    return state.open.open(node, flags, version)
  }

  /** A file made on the server when it is first sent, under a number set aside for it. */
  function deferred(
    number: number,
    parent: Node,
    name: string,
    mode: number,
    flags: number,
    context: Context,
  ): FuseCreated {
    const directory = ino(parent)
    const owned = ownership(mode, context, owners)
    const attributes = planned(number, inherited(owned, cache.lastAttributes(directory)))
    const node = nodes.known(number)
    node.pages = attributes.version
    contents.bear(node, attributes, {
      directory,
      name,
      attributes,
      truncates: (flags & O_TRUNC) !== 0,
      isExclusive: (flags & O_EXCL) !== 0,
    })
    unborn.add(directory, name, node)
    // The directory's times change when the file comes there.
    cache.learnName(directory, name, number, cache.ticket())
    const entry = view.localEntry(directory, node, attributes)
    return { entry, open: state.open.open(node, flags, 0) }
  }

  async function makeAtOnce(
    parent: Node,
    name: string,
    mode: number,
    flags: number,
    context: Context,
  ): Promise<FuseCreated> {
    if ((flags & O_EXCL) !== 0) leases?.missed(ino(parent))
    try {
      const entry = await make(parent, name, { type: 'file' }, mode, context)
      const node = nodes.known(ino(entry.node))
      node.pages = cache.lastAttributes(node.ino)?.version
      return { entry, open: state.open.open(node, flags, node.pages ?? 0) }
    } catch (error) {
      if ((flags & O_EXCL) !== 0 || !hasCode(error, 'EEXIST')) throw error
      return there(parent, name, flags, context)
    }
  }

  /** open(2) without O_EXCL of a name that somebody else made a moment ago. */
  async function there(
    parent: Node,
    name: string,
    flags: number,
    context: Context,
  ): Promise<FuseCreated> {
    const entry = await lookups.lookup({ directory: ino(parent), name })
    if (entry.node === 0) throw refusal('ENOENT', `"${name}" came and went`)
    return { entry, open: await open(entry.node, flags, context) }
  }

  /** Without O_EXCL it does not matter who was first; with it the names must be ours to give. */
  function mayWait(parent: Node, flags: number): Soon<boolean> {
    if ((flags & O_EXCL) === 0) return true
    return leases === undefined ? false : leases.decides(ino(parent))
  }

  /** In the same step as the name is taken. */
  function isStillOurs(parent: Node, name: string, flags: number): boolean {
    if ((flags & O_EXCL) === 0) return true
    const directory = ino(parent)
    return leases?.has(directory) === true && cache.isSurelyAbsent(directory, name)
  }

  return {
    open,
    async tmpfile(parent, mode, flags, context) {
      const ticket = cache.ticket()
      const owned = ownership(mode, context, owners)
      const attributes = await orStale(files.makeNameless(ino(parent), owned))
      const node = nodes.known(attributes.ino)
      node.isOrphan = true
      node.pages = attributes.version
      cache.changedTo(attributes, ticket)
      const entry = view.localEntry(ino(parent), node, attributes)
      return { entry, open: state.open.open(node, flags, node.pages) }
    },
    create(parent, name, mode, flags, context) {
      return when(mayWait(parent, flags), (isOurs) =>
        when(isOurs ? numbers.take() : undefined, (number) =>
          number === undefined || !isStillOurs(parent, name, flags)
            ? makeAtOnce(parent, name, mode, flags, context)
            : deferred(number, parent, name, mode, flags, context),
        ),
      )
    },
  }
}
