import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import { type Context, type FuseOpen, SHORT_WRITE } from '../../fuse/filesystem.js'
import { type Soon, when } from '../../fuse/soon.js'
import type { RemoteContent, RemoteFiles } from '../../remote/remote-files.js'
import { byNumber } from '../answer.js'
import type { MustHold } from '../content/content.js'
import type { Contents } from '../content/contents.js'
import type { KnownNode } from '../content/nodes.js'
import type { WrittenFiles } from '../content/written-files.js'
import type { MountLocks } from '../locks/locks.js'
import type { Orphans } from '../names/orphans.js'
import type { AheadMemory } from './ahead-memory.js'
import { Handles, O_ACCMODE, O_APPEND, O_RDONLY, type OpenFile } from './handles.js'
import { ReadAhead } from './read-ahead.js'
import type { SmallFiles, Use } from './small-files.js'

export interface OpenFilesMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly contents: Contents
  readonly small: SmallFiles
  readonly written: WrittenFiles
  /** For what is read ahead. */
  readonly memory: AheadMemory
  readonly locks: MountLocks | undefined
  readonly orphans: Orphans
  observe(attributes: WireAttributes): void
  /** What the kernel has of the content is to be dropped. */
  foreign(node: KnownNode): void
}

/** Open files: reading and writing through them, and what their last close brings. */
export class OpenFiles {
  readonly #mount: OpenFilesMount
  readonly #handles = new Handles<OpenFile>()
  /** Writes that came, and wait for what the server has before they are taken. */
  readonly #arriving = new Map<KnownNode, Set<Promise<void>>>()

  constructor(mount: OpenFilesMount) {
    this.#mount = mount
  }

  /** `version`: of the content now; pages of any other are dropped. */
  open(node: KnownNode, flags: number, version: number): FuseOpen {
    const isOurs = node.content?.isClean === false
    const keepCache = node.pages !== undefined && (isOurs || node.pages === version)
    if (!keepCache) node.pages = version
    node.opens += 1
    if (mayWrite(flags)) node.writers += 1
    const ahead = new ReadAhead(
      (offset, length, signal) => this.#fetch(node, offset, length, signal),
      this.#mount.memory,
    )
    const handle = this.#handles.add({ node, flags, ahead })
    // Who locks a file has it open for writing, mostly: closing any descriptor of it then matters (fcntl(2)).
    const mayBeLocked = node.writers > 0 || this.#mount.locks?.areThere(node.ino) === true
    return { handle, keepCache, directIo: false, noFlush: !mayWrite(flags) && !mayBeLocked }
  }

  async read(
    handle: number,
    offset: number,
    size: number,
    context: Pick<Context, 'afterwards'>,
    use: Use = 'for a program',
  ): Promise<Buffer> {
    this.#mount.locks?.refuseLost(handle)
    const { node, ahead } = this.#handles.get(handle)
    if (this.#arriving.size > 0) await this.#arrived(node, handle)
    const { content } = node
    if (content !== undefined && !content.isClean) {
      const fetch = async (from: number, length: number) =>
        this.#underLocks(node, handle, (await this.#fetch(node, from, length)).data)
      return content.read(offset, size, fetch)
    }
    const { ino } = node
    const version = this.#mount.cache.attributes(ino)?.value.version
    const written = this.#mount.written.read(ino, offset, size, version)
    if (written !== undefined) {
      wasRead(node, version)
      return written
    }
    const ready = this.#mount.small.take(ino, offset, size)
    if (offset === 0 && node.directory !== undefined) {
      this.#mount.small.isRead(node.ino, node.directory, use)
    }
    const small = await ready
    const known = this.#mount.cache.lastAttributes(ino)
    if (small !== undefined) wasRead(node, known?.version)
    const data = small ?? (await ahead.read(offset, size, known?.size, context))
    return this.#underLocks(node, handle, data)
  }

  /**
   * What the server told is for the program only if the locks of the file were not lost before.
   * @throws RemoteError EIO
   */
  async #underLocks(node: KnownNode, handle: number, data: Buffer): Promise<Buffer> {
    const { locks, foreign } = this.#mount
    await locks?.upheld(node.ino)
    locks?.refuseLost(handle)
    // The kernel keeps it for all who have the file open.
    if (locks?.areLost(node.ino) === true) foreign(node)
    return data
  }

  /** `way`: as the handle was opened, or to the very place, as mapped pages are written. */
  write(handle: number, offset: number, data: Buffer, way: 'as opened' | 'in place'): Soon<number> {
    const mustHold = () => this.#mount.locks?.refuseLost(handle)
    mustHold()
    const { node, flags } = this.#handles.get(handle)
    const where = way === 'as opened' && (flags & O_APPEND) !== 0 ? 'at the end' : 'there'
    this.dropReadAhead(node)
    const { content } = node
    if (content?.takesAtOnce(where) === true) {
      return when(content.write(offset, data, where), () => data.length)
    }
    const kept = data.length < SHORT_WRITE ? Buffer.from(data) : data
    return this.#write(node, offset, kept, where, mustHold)
  }

  async #write(
    node: KnownNode,
    offset: number,
    data: Buffer,
    where: 'there' | 'at the end',
    mustHold: MustHold,
  ): Promise<number> {
    const taken = this.#arrives(node)
    try {
      const content = await this.#mount.contents.of(node)
      await content.write(offset, data, where, () => {
        mustHold()
        this.dropReadAhead(node)
        taken()
      })
    } finally {
      taken()
    }
    return data.length
  }

  /** Resolves once the writes that came are taken: the kernel may have dropped the page it wrote, and keeps what it gets now. */
  async #arrived(node: KnownNode, handle: number): Promise<void> {
    const arriving = this.#arriving.get(node)
    if (arriving === undefined) return
    await this.#mount.locks?.upheld(node.ino)
    this.#mount.locks?.refuseLost(handle)
    await Promise.all(arriving)
  }

  /** @returns to be called once what is written is seen by who reads */
  #arrives(node: KnownNode): () => void {
    const arriving = this.#arriving.get(node) ?? new Set()
    this.#arriving.set(node, arriving)
    let resolve = (): void => {}
    const arrival = new Promise<void>((taken) => {
      resolve = taken
    })
    arriving.add(arrival)
    return () => {
      arriving.delete(arrival)
      if (arriving.size === 0 && this.#arriving.get(node) === arriving) this.#arriving.delete(node)
      resolve()
    }
  }

  /** close(2) of a descriptor: waits for the server, and tells what it refused. */
  flush(handle: number): Soon<void> {
    const { node, flags } = this.#handles.get(handle)
    if (!mayWrite(flags) || node.content === undefined) return
    return node.content.flush()
  }

  release(handle: number): Soon<void> {
    const { node, flags, ahead } = this.#handles.remove(handle)
    ahead.drop()
    node.opens -= 1
    if (mayWrite(flags)) node.writers -= 1
    if (node.opens > 0) return
    if (!node.isOrphan && node.content?.isClean !== false) this.#mount.contents.settle(node)
    else return this.#released(node)
  }

  async #released(node: KnownNode): Promise<void> {
    const { contents, orphans } = this.#mount
    await (node.isOrphan ? orphans.release(node) : contents.closed(node))
    contents.settle(node)
  }

  of(node: KnownNode): number[] {
    return this.#handles.which((open) => open.node === node)
  }

  /** What was read ahead of a node is no longer its content. */
  dropReadAhead(node: KnownNode): void {
    for (const open of this.#handles.all()) if (open.node === node) open.ahead.drop()
  }

  async #fetch(
    node: KnownNode,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<RemoteContent> {
    const { files, cache } = this.#mount
    const ticket = cache.ticket()
    try {
      const content = await files.read(node.ino, offset, length, signal)
      this.#mount.observe(content.attributes)
      wasRead(node, content.attributes.version)
      cache.learn(content.attributes, ticket)
      return content
    } catch (error) {
      throw byNumber(error)
    }
  }
}

/** What comes later than that may be of another content. */
function wasRead(node: KnownNode, version: number | undefined): void {
  node.readSince ??= version
}

function mayWrite(flags: number): boolean {
  return (flags & O_ACCMODE) !== O_RDONLY
}
