/**
 * Holds a mount of the memory file system until it ends: the process that drives the tests must not, for who waits for
 * the mount cannot answer it. Started by `memory-mount.ts`, which talks to it over IPC.
 */
import { setImmediate } from 'node:timers/promises'
import type { Context, Mounted, MountOptions } from '../../../client/fuse/filesystem.js'
import { fuseNativeBinding } from '../../../client/fuse/fuse-native.js'
import { kernelBinding } from '../../../client/fuse/kernel.js'
import { MemoryFileSystem } from './memory-file-system.js'
import { PosixError, readContent } from './memory-inode.js'

const ROOT = 1

export interface Settings {
  readonly directory: string
  readonly binding: BindingName
  readonly options: MountOptions
  readonly validMilliseconds: number
  readonly keepCache: boolean
  readonly directIo: boolean
}

export type Order =
  | { readonly kind: 'counts' }
  | { readonly kind: 'inodes' }
  | { readonly kind: 'memory' }
  | { readonly kind: 'unmount'; readonly lazy: boolean }
  | { readonly kind: 'change'; readonly node: number; readonly content: string }
  | { readonly kind: 'invalidate-inode'; readonly node: number }
  | { readonly kind: 'invalidate-entry'; readonly parent: number; readonly name: string }
  | { readonly kind: 'settled' }
  | { readonly kind: 'add-file'; readonly name: string }
  | { readonly kind: 'stick'; readonly how: Stickiness }
  | { readonly kind: 'stuck'; readonly readers?: number }
  | { readonly kind: 'spoil'; readonly from: number; readonly to: number }
  | { readonly kind: 'survivors'; readonly path: readonly string[] }
  | { readonly kind: 'die' }

const BINDINGS = { kernel: kernelBinding, 'fuse-native': fuseNativeBinding } as const
export type BindingName = keyof typeof BINDINGS

/** What read does: its work, wait until its caller is interrupted, or wait for ever; where all is frozen, so does write. */
export type Stickiness = 'no' | 'heeding' | 'deaf' | 'frozen'

class StickyFileSystem extends MemoryFileSystem {
  sticky: Stickiness = 'no'
  /** Where no file can be read any more, as on a disk with a bad sector there. */
  spoilt = { from: 0, to: 0 }
  readonly #release: (() => void)[] = []
  /** What is on the disk of each file, as opposed to what is read. */
  readonly #synced = new Map<number, Buffer>()
  /** The same of the names in each directory. */
  readonly #names = new Map<number, ReadonlyMap<string, number>>()

  override async fsync(node: number, handle: number, dataOnly: boolean, context: Context) {
    await super.fsync(node, handle, dataOnly, context)
    const file = this.inodes.get(node)
    if (file?.kind === 'file') this.#synced.set(node, Buffer.from(readContent(file, 0, file.size)))
  }

  override async fsyncdir(node: number, handle: number, context: Context) {
    await super.fsyncdir(node, handle, context)
    this.#names.set(node, new Map(this.directory(node).entries))
  }

  /** The files of a directory as loss of power would leave them, in base64, by name. */
  survivors(path: readonly string[]): Record<string, string> {
    const found = path.reduce((parent, name) => this.child(parent, name).ino, ROOT)
    const names = this.#names.get(found) ?? new Map<string, number>()
    const content = (ino: number) => this.#synced.get(ino)?.toString('base64') ?? ''
    return Object.fromEntries([...names].map(([file, ino]) => [file, content(ino)]))
  }

  /** Settles once so many wait in read. */
  async stuck(readers: number): Promise<void> {
    while (this.#release.length < readers) await setImmediate()
  }

  stick(how: Stickiness): void {
    this.sticky = how
    if (how === 'no') for (const release of this.#release.splice(0)) release()
  }

  override async read(
    node: number,
    handle: number,
    offset: number,
    size: number,
    context: Context,
  ): Promise<Buffer> {
    if (offset < this.spoilt.to && offset + size > this.spoilt.from) throw new PosixError('EIO')
    if (this.sticky === 'no') return super.read(node, handle, offset, size, context)
    return new Promise((resolve, reject) => {
      this.#release.push(() => resolve(super.read(node, handle, offset, size, context)))
      if (this.sticky !== 'heeding') return
      context.signal.addEventListener('abort', () => reject(context.signal.reason))
    })
  }

  override async write(
    node: number,
    handle: number,
    offset: number,
    data: Buffer,
    context: Context,
  ): Promise<number> {
    if (this.sticky !== 'frozen') return super.write(node, handle, offset, data, context)
    const kept = Buffer.from(data)
    return new Promise((resolve) => {
      this.#release.push(() => resolve(super.write(node, handle, offset, kept, context)))
    })
  }
}

const fs = new StickyFileSystem()
let mounted: Mounted

async function obey(order: Order): Promise<unknown> {
  switch (order.kind) {
    case 'counts':
      return { ...Object.fromEntries(fs.counts), failures: fs.failures }
    case 'inodes':
      return [...fs.inodes.values()].map(({ ino, nlink, references, opened }) => ({
        ino,
        nlink,
        references,
        opened,
      }))
    case 'memory':
      return process.memoryUsage()
    case 'unmount':
      return mounted.unmount({ lazy: order.lazy })
    case 'change':
      return fs.changeFromOutside(order.node, Buffer.from(order.content))
    case 'invalidate-inode':
      return fs.kernel?.invalidateInode(order.node, 0, 0)
    case 'invalidate-entry':
      return fs.kernel?.invalidateEntry(order.parent, order.name)
    case 'settled':
      return fs.kernel?.settled()
    case 'add-file':
      return fs.addFromOutside(order.name)
    case 'stick':
      fs.stick(order.how)
      return undefined
    case 'stuck':
      return fs.stuck(order.readers ?? 1)
    case 'spoil':
      fs.spoilt = order
      return undefined
    case 'survivors':
      return fs.survivors(order.path)
    case 'die':
      return process.kill(process.pid, 'SIGKILL')
  }
}

const answering = new Set<Promise<void>>()

function send(message: object): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, {}, () => resolve()))
}

async function hold(settings: Settings): Promise<void> {
  fs.validMilliseconds = settings.validMilliseconds
  fs.keepCache = settings.keepCache
  fs.directIo = settings.directIo
  mounted = await BINDINGS[settings.binding](settings.directory, fs, settings.options)
  process.on('message', ({ id, order }: { id: number; order: Order }) => {
    const answer = obey(order).then(
      (result) => send({ id, result }),
      (error) => send({ id, error: { message: error.message, code: error.code } }),
    )
    answering.add(answer)
    void answer.finally(() => answering.delete(answer))
  })
  await send({ mounted: true })
  await mounted.ended
  await Promise.allSettled(answering)
  // Nothing of the binding may keep the process alive now.
  process.disconnect()
}

hold(JSON.parse(process.argv[2] ?? '')).catch(async (error) => {
  await send({ mounted: false, error: { message: error.message, code: error.code } })
  process.disconnect()
})
