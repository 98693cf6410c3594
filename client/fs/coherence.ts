import type { WireAttributes, WirePlace } from '../../server/wire.js'
import type { WireChange } from '../../server/wire-changes.js'
import { ABSENT, type Cache } from '../cache.js'
import type { Kernel } from '../fuse/filesystem.js'
import type { RemoteFiles, RemoteNews } from '../remote-files.js'
import { refusal } from './answer.js'
import type { ContestedNames } from './contested-names.js'
import type { MountLocks } from './locks.js'
import type { KnownNode, Nodes } from './nodes.js'
import type { Unborn } from './unborn.js'

/** An interruption shorter than this is made good by what the stream then tells. */
const GRACE_MILLISECONDS = 1000
/** How long a lock waits for the stream of changes to tell what happened before it. */
const NEWS_MILLISECONDS = 30_000

export interface CoherenceMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly nodes: Nodes
  readonly unborn: Unborn
  /** The content of a node changed elsewhere. */
  foreign(node: KnownNode): void
  readonly contested: ContestedNames
  readonly locks: MountLocks | undefined
  log(message: string, error?: unknown): void
}

/**
 * Keeps what this machine believes true: listens to what others change, and takes exactly that back from the cache and the
 * kernel. While it listens everything may be believed for long; when it cannot, nothing is for longer than the timeout.
 */
export class Coherence {
  readonly #mount: CoherenceMount
  readonly #kernel: Kernel
  readonly #stop = new AbortController()
  #grace: NodeJS.Timeout | undefined
  /** The stream was away, and has not told yet what others did meanwhile. */
  #isBehind = false
  /** Every change up to this number has been taken in. */
  #told = -1
  readonly #waiting = new Set<() => void>()

  constructor(mount: CoherenceMount, kernel: Kernel) {
    this.#mount = mount
    this.#kernel = kernel
    void this.#listen()
  }

  /**
   * Resolves once nothing is believed, here or in the kernel, that this change or one before it made untrue.
   * @throws RemoteError ENOLCK if the stream of changes is not there to tell
   */
  async upTo(newest: number): Promise<void> {
    await this.told(newest)
    await this.#kernel.settled()
  }

  /** The same, of what is believed here alone. */
  async told(newest: number): Promise<void> {
    const isTold = () => this.#told >= newest && this.#mount.cache.isVouched
    if (!isTold()) await this.#until(isTold)
  }

  /**
   * Resolves once nothing is believed, here, and of attributes and pages in the kernel, that was untrue when it was called because the
   * stream is interrupted, or has not told yet what others did, up to this change. If it stays away or silent that takes a second: what
   * had been believed for long is forgotten by then, and what was learned since holds for no longer, or is as new.
   */
  async caughtUp(others = -1): Promise<void> {
    await this.#heardOf(others)
    await this.#kernel.inodesSettled()
  }

  async #heardOf(others: number): Promise<void> {
    const isBehind = () => this.#isBehind || (this.#told < others && this.#mount.cache.isVouched)
    if (!isBehind()) return
    let isOver = false
    const timer = setTimeout(() => {
      isOver = true
      this.#look()
    }, GRACE_MILLISECONDS)
    await this.#until(() => isOver || !isBehind())
    clearTimeout(timer)
    if (!this.#isBehind && isBehind()) this.#forgetAll()
  }

  stop(): void {
    this.#stop.abort()
    clearTimeout(this.#grace)
  }

  #until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const look = () => {
        if (!isSo()) return
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        reject(refusal('ENOLCK', 'the stream of changes is not there: what is cached may be old'))
      }, NEWS_MILLISECONDS)
      this.#waiting.add(look)
    })
  }

  #isTold(upTo: number): void {
    this.#told = Math.max(this.#told, upTo)
    this.#look()
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }

  async #listen(): Promise<void> {
    const { files, cache, log } = this.#mount
    try {
      for await (const news of files.changes?.(this.#stop.signal) ?? []) this.#take(news)
    } catch (error) {
      log('the stream of changes ended', error)
    }
    cache.suspend()
    this.#forgetAll()
    this.#hasCaughtUp()
  }

  #take(news: RemoteNews): void {
    const { cache, locks } = this.#mount
    switch (news.kind) {
      case 'connected':
        cache.vouch()
        locks?.reconnected()
        return
      case 'lost':
        cache.suspend()
        this.#isBehind = true
        this.#grace ??= setTimeout(() => this.#forgetAll(), GRACE_MILLISECONDS).unref()
        return
      case 'reset':
        this.#forgetAll()
        this.#hasCaughtUp()
        return
      case 'settled':
        this.#settled(news.current())
        return
      case 'change':
        this.#changed(news.change)
        this.#isTold(news.change.seq)
        return
      case 'told':
        this.#hasCaughtUp()
        this.#isTold(news.newest)
        return
      case 'lock':
        locks?.decisions.made(news.request)
        return
      case 'recall':
        locks?.recalled(news.ino)
    }
  }

  #settled(attributes: WireAttributes | undefined): void {
    if (attributes === undefined) return
    const { cache, nodes } = this.#mount
    cache.changedTo(attributes, cache.ticket())
    const node = nodes.of(attributes.ino)
    if (node !== undefined) this.#kernel.invalidateInode(node.id, -1, 0)
  }

  #changed(change: WireChange): void {
    switch (change.kind) {
      case 'make':
        this.#named(change.place, change.ino)
        this.#attributes(change.ino)
        return
      case 'remove':
        this.#named(change.place, ABSENT)
        this.#attributes(change.ino)
        return
      case 'rename':
        this.#named(change.from, change.exchanged ?? ABSENT)
        this.#named(change.to, change.ino)
        this.#attributes(change.ino)
        if (change.exchanged !== undefined) this.#attributes(change.exchanged)
        if (change.replaced !== undefined) this.#attributes(change.replaced)
        return
      case 'content':
        this.#content(change.ino)
        return
      case 'attributes':
        this.#attributes(change.ino)
    }
  }

  #named({ directory, name }: WirePlace, ino: number): void {
    const { cache, nodes, unborn, contested } = this.#mount
    contested.add(directory)
    // A file of ours that is about to stand there is sent and then finds out who was first.
    cache.toldName(directory, name, unborn.at(directory, name) === undefined ? ino : undefined)
    const node = nodes.of(directory)
    if (node === undefined) return
    this.#kernel.invalidateEntry(node.id, name)
    // With its attributes goes the listing that the kernel keeps.
    this.#kernel.invalidateInode(node.id, 0, 0)
  }

  #attributes(ino: number): void {
    const { cache, nodes } = this.#mount
    cache.changed(ino)
    for (const { id } of nodes.allOf(ino)) this.#kernel.invalidateInode(id, -1, 0)
  }

  #content(ino: number): void {
    const { cache, nodes, foreign } = this.#mount
    cache.changed(ino)
    for (const node of nodes.allOf(ino)) foreign(node)
  }

  /** What the kernel was told to believe for long it must ask for again. */
  #forgetAll(): void {
    const { cache, nodes } = this.#mount
    for (const { directory, name } of cache.vouchedNames()) {
      const node = nodes.of(directory)
      if (node !== undefined) this.#kernel.invalidateEntry(node.id, name)
    }
    for (const node of nodes.all()) {
      // Pages of files are checked when they are opened; a directory's listing is not.
      const isDirectory = cache.lastAttributes(node.ino)?.type !== 'file'
      this.#kernel.invalidateInode(node.id, isDirectory ? 0 : -1, 0)
    }
    cache.forgetVouched()
    clearTimeout(this.#grace)
    this.#grace = undefined
  }

  #hasCaughtUp(): void {
    clearTimeout(this.#grace)
    this.#grace = undefined
    if (!this.#isBehind) return
    this.#isBehind = false
    this.#look()
  }
}
