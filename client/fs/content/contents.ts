import type { WireAttributeChanges, WireAttributes } from '../../../server/wire/inodes.js'
import { RemoteError } from '../../remote-error.js'
import { isTransient, orStale, refusal } from '../answer.js'
import type { Pending } from '../options.js'
import type { Birth } from './birth.js'
import { BlockBuffers } from './block-buffers.js'
import { Content } from './content.js'
import type { ContentMount } from './content-mount.js'
import type { KnownNode, Nodes } from './nodes.js'

/** Unsent changes are sent after this long even if nobody closes the file. */
const OLD_MILLISECONDS = 2000
/** How long a writer waits while the whole mount holds too much. */
const PATIENCE_MILLISECONDS = 30_000

/** Pauses between tries to send what could not be sent. */
const FIRST_PAUSE_MILLISECONDS = 1000
const LONGEST_PAUSE_MILLISECONDS = 10_000

/** Why a file cannot be sent, and when that is tried again. */
interface Failures {
  readonly reason: string
  readonly pauseMilliseconds: number
  readonly until: number
}

/** All files with something unsent. */
export class Contents {
  readonly #mount: ContentMount
  readonly #nodes: Nodes
  readonly #log: (message: string, error?: unknown) => void
  readonly #active = new Set<KnownNode>()
  readonly #trying = new Set<KnownNode>()
  readonly #failures = new Map<KnownNode, Failures>()

  constructor(
    mount: Omit<ContentMount, 'relieve' | 'blocks'>,
    nodes: Nodes,
    log: (message: string, error?: unknown) => void,
  ) {
    this.#mount = Object.assign(mount, {
      blocks: new BlockBuffers(),
      relieve: () => this.#relieve(),
    })
    this.#nodes = nodes
    this.#log = log
  }

  /** The content of a node that is about to change. */
  async of(node: KnownNode): Promise<Content> {
    if (node.content !== undefined) return node.content
    const base = await this.#attributes(node.ino)
    node.content ??= new Content(this.#mount, node, base)
    this.#active.add(node)
    return node.content
  }

  async #attributes(ino: number): Promise<WireAttributes> {
    const known = this.#mount.cache.attributes(ino)
    return known === undefined ? orStale(this.#mount.files.stat(ino)) : known.value
  }

  bear(node: KnownNode, attributes: WireAttributes, birth: Birth): void {
    node.content = new Content(this.#mount, node, attributes, birth)
    this.#active.add(node)
  }

  /** Attributes that a program was told are set, and that could not be. `known`: the inode before that. */
  areLate(
    node: KnownNode,
    known: WireAttributes,
    changes: WireAttributeChanges,
    error: unknown,
  ): void {
    node.content ??= new Content(this.#mount, node, known)
    this.#active.add(node)
    node.content.areLate(known, changes, error)
    this.#failed(node, error)
  }

  /** Lets go of what is sent and no longer open. */
  settle(node: KnownNode): void {
    if (node.opens > 0 || node.content?.isClean === false) return
    node.content = undefined
    this.#active.delete(node)
    this.#failures.delete(node)
    this.#nodes.drop(node)
  }

  /** After the last close. What the server refused for good, and said so at close, goes; what may yet be sent is kept. */
  async closed(node: KnownNode): Promise<void> {
    const { content } = node
    if (content === undefined) return
    if (node.isOrphan) content.discard()
    try {
      if (!content.isClean) await content.flush()
    } catch (error) {
      this.#failed(node, error)
      // A stat may just send it once more.
      await content.whenSettled(() => {
        if (!isTransient(error) && node.opens === 0) this.forsake(node)
      })
    }
    this.settle(node)
  }

  /** Gives up what was not sent. */
  forsake(node: KnownNode): void {
    const birth = node.content?.birth
    node.content?.discard()
    if (birth === undefined) this.#mount.foreign(node)
    else this.#mount.forsaken(birth)
    this.settle(node)
  }

  /** Gives up what was not sent, and waits for the end of what is on its way. */
  async giveUp(node: KnownNode): Promise<void> {
    const { content } = node
    if (content === undefined || content.isClean) return
    content.discard()
    await content.whenSettled(() => this.forsake(node))
  }

  /** Called again and again: what has waited long is sent. */
  tick(): void {
    for (const node of this.#active) {
      const { content } = node
      if (content === undefined || this.#trying.has(node)) continue
      if (content.isClean) {
        this.#failures.delete(node)
        continue
      }
      // The name of one made with O_EXCL is ours for no longer than the lease of its directory, until the server has it.
      const isUrgent = content.birth?.isExclusive === true
      if (!isUrgent && content.ageMilliseconds < OLD_MILLISECONDS) continue
      if (this.#mount.now() < (this.#failures.get(node)?.until ?? 0)) continue
      this.#trying.add(node)
      void this.#try(node, content).finally(() => this.#trying.delete(node))
    }
  }

  pending(): Pending {
    let bytes = 0
    let files = 0
    for (const { content } of this.#active) {
      if (content === undefined || content.isClean) continue
      bytes += content.bytes
      files += 1
    }
    return { bytes, files }
  }

  /** Resolves once nothing is unsent; rejects with the first refusal, after every file was tried. */
  async drain(): Promise<void> {
    const unsent = [...this.#active].filter(({ content }) => content?.isClean === false)
    const results = await Promise.allSettled(unsent.map(({ content }) => content?.flush()))
    for (const node of unsent) this.settle(node)
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #try(node: KnownNode, content: Content): Promise<void> {
    try {
      await content.flush()
      this.#failures.delete(node)
      this.settle(node)
    } catch (error) {
      // The data is still there: whoever closes or syncs the file is told.
      if (node.opens === 0) await this.closed(node)
      else this.#failed(node, error)
    }
  }

  /** Says so once for each reason, and tries less and less often. */
  #failed(node: KnownNode, error: unknown): void {
    const reason = error instanceof RemoteError ? error.code : String(error)
    const before = this.#failures.get(node)
    const pauseMilliseconds = Math.min(
      before === undefined ? FIRST_PAUSE_MILLISECONDS : before.pauseMilliseconds * 2,
      LONGEST_PAUSE_MILLISECONDS,
    )
    const until = this.#mount.now() + pauseMilliseconds
    this.#failures.set(node, { reason, pauseMilliseconds, until })
    if (before?.reason === reason) return
    this.#log(`what was written to inode ${node.ino} could not be sent`, error)
  }

  async #relieve(): Promise<void> {
    const sent = this.drain().catch(() => {})
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(refusal('EIO', 'too much is unsent; the server does not take it')),
        PATIENCE_MILLISECONDS,
      )
    })
    try {
      await Promise.race([Promise.all([sent, this.#mount.budget.room()]), late])
    } finally {
      clearTimeout(timer)
    }
  }
}
