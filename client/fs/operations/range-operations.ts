import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Context, FileSystem, Handle, Node } from '../../fuse/filesystem.js'
import { orStale, refusal, unlessInterrupted } from '../answer.js'
import type { KnownNode } from '../content/nodes.js'
import type { MountState } from '../mount-state.js'
import { allocate } from './fallocate.js'

/** lseek(2): SEEK_DATA and SEEK_HOLE; the kernel answers the others by itself. */
const SOUGHT: ReadonlyMap<number, 'data' | 'hole'> = new Map([
  [3, 'data'],
  [4, 'hole'],
])

/**
 * A short file that is copied whole into a new one goes with that one's own request: over a long way bytes of this number cost
 * less than one more answer, and who copies a directory reads what was copied, as git does.
 */
const SHORT_BYTES = 16 << 10

interface Position {
  readonly node: Node
  readonly handle: Handle
  readonly offset: number
}

/** The operations of fuse(4) on ranges of files, which the server does itself: no bytes are sent. */
export function rangeOperations(
  state: MountState,
): Required<Pick<FileSystem, 'fallocate' | 'lseek' | 'copyFileRange'>> {
  const { files, nodes, contents, open, locks } = state
  const known = (node: Node) => nodes.known(nodes.ino(node))

  const mustHold =
    (...all: readonly Pick<Position, 'handle'>[]) =>
    () => {
      for (const { handle } of all) locks?.refuseLost(handle)
    }

  async function attributesOf(node: KnownNode): Promise<WireAttributes> {
    const { content } = node
    if (content?.isClean === false) return content.attributes()
    return (await state.stat(node.ino)).value
  }

  async function sizeOf(node: KnownNode): Promise<number> {
    return (await attributesOf(node)).size
  }

  /** What is written through memory the kernel keeps, and asks for holes nevertheless: it must give it away first. */
  async function sought(node: KnownNode, offset: number, what: 'data' | 'hole') {
    const found = await stored(node, offset, what)
    if (what === 'hole' || found === offset || node.writers === 0) return found
    if (found === undefined && offset >= (await sizeOf(node))) return undefined
    const version = async () => (await state.stat(node.ino)).value.version
    const before = await version()
    await state.dropPages(node, offset, found === undefined ? 0 : found - offset)
    const isWritten = node.content?.isClean === false || (await version()) !== before
    return isWritten ? stored(node, offset, what) : found
  }

  async function stored(node: KnownNode, offset: number, what: 'data' | 'hole') {
    if (offset >= (await sizeOf(node))) return undefined
    if (node.content?.isClean === false) await node.content.flush()
    const { size, allocated } = (await state.stat(node.ino)).value
    // Of a file in the journal only the server will know.
    const mayHaveHoles = allocated !== undefined || files.journals === true
    if (mayHaveHoles) return orStale(files.seek(node.ino, offset, what))
    // Without holes all of it is data, and its end the only hole.
    if (offset >= size) return undefined
    return what === 'data' ? offset : size
  }

  /** A short file without holes, into one of which the server has not heard. */
  function isShort(from: Position, to: Position, length: number, source: WireAttributes): boolean {
    const { size, allocated } = source
    if (from.offset !== 0 || to.offset !== 0 || size > Math.min(length, SHORT_BYTES)) return false
    return allocated === undefined && known(to.node).content?.isBlank === true
  }

  async function written(from: Position, to: Position, length: number, context: Context) {
    const data = await open.read(from.handle, from.offset, length, context, 'to be copied')
    await open.write(to.handle, to.offset, data, 'in place')
    return data.length
  }

  /** As much as the server copies in one step. @returns how many bytes that are */
  async function copied(from: Position, to: Position, length: number, context: Context) {
    const [source, target] = [known(from.node), known(to.node)]
    const attributes = await attributesOf(source)
    if (isShort(from, to, length, attributes)) return written(from, to, attributes.size, context)
    if (source.content?.isClean === false) await source.content.flush()
    const bytes = Math.min(length, (await sizeOf(source)) - from.offset)
    if (bytes <= 0) return 0
    if (source === target && Math.abs(from.offset - to.offset) < bytes) {
      throw refusal('EINVAL', 'the two ranges of the file overlap')
    }
    const content = await contents.of(target)
    let count: number | undefined
    try {
      while (count === undefined) {
        // Each time is a change of its own, and one version.
        await content.change(
          async (ino) => {
            const begin = { ino: source.ino, offset: from.offset }
            const copy = await orStale(files.copyRange(begin, { ino, offset: to.offset }, bytes))
            count = copy.copied
            return copy.attributes
          },
          mustHold(from, to),
        )
      }
    } finally {
      open.dropReadAhead(target)
    }
    return count
  }

  return {
    async fallocate(node, handle, offset, length, mode) {
      const held = mustHold({ handle })
      held()
      const target = known(node)
      const size = await sizeOf(target)
      try {
        await allocate(files, await contents.of(target), size, { offset, length, mode }, held)
      } finally {
        open.dropReadAhead(target)
      }
    },
    async lseek(node, handle, offset, whence, context) {
      locks?.refuseLost(handle)
      const what = SOUGHT.get(whence)
      if (what === undefined) throw refusal('EINVAL', `whence ${whence} is not known`)
      const found = await unlessInterrupted(sought(known(node), offset, what), context)
      if (found === undefined) throw refusal('ENXIO', `there is no ${what} from ${offset} on`)
      return found
    },
    async copyFileRange(from, to, length, context) {
      mustHold(from, to)()
      const work = copied(from, to, length, context)
      try {
        return await unlessInterrupted(work, context)
      } catch (error) {
        // It may be under way still, and the kernel, which drops pages after the answer, has had its answer.
        const drop = () => state.foreign(known(to.node))
        work.then(drop, drop)
        throw error
      }
    },
  }
}
