import type { Cache } from '../../cache/cache.js'
import type { RemoteFiles } from '../../remote/remote-files.js'
import type { Contents } from '../content/contents.js'
import type { KnownNode, Nodes } from '../content/nodes.js'

interface OrphansMount {
  readonly files: Pick<RemoteFiles, 'release'>
  readonly cache: Cache
  readonly nodes: Nodes
  readonly contents: Pick<Contents, 'closed'>
  log(message: string, error?: unknown): void
}

/** What lost its last name here while it was open: the server keeps it until it hears that it is closed. */
export class Orphans {
  readonly #mount: OrphansMount

  constructor(mount: OrphansMount) {
    this.#mount = mount
  }

  /** The kernel says late that it was closed: it may be so by now. */
  async add(node: KnownNode): Promise<void> {
    node.isOrphan = true
    if (node.opens === 0) await this.release(node)
  }

  /** Nobody can read any more what is unsent of it. */
  async release(node: KnownNode): Promise<void> {
    const { files, cache, contents, log } = this.#mount
    await contents.closed(node)
    if (!node.isOrphan) return
    node.isOrphan = false
    cache.changed(node.ino)
    try {
      await files.release(node.ino)
    } catch (error) {
      log(`inode ${node.ino} could not be released; the server does it in a day`, error)
    }
  }

  /** The mount is gone: what it still had open need not be kept. */
  async releaseAll(): Promise<void> {
    const open = [...this.#mount.nodes.all()].filter((node) => node.isOrphan && node.opens > 0)
    for (const node of open) await this.release(node)
  }
}
