import { fileSystem } from '../../../client/fs/operations.js'
import type { CofferFileSystem, FileSystemOptions } from '../../../client/fs/options.js'
import type { Kernel } from '../../../client/fuse/filesystem.js'
import type { RemoteFiles, RemoteNews } from '../../../client/remote/remote-files.js'
import { openDatabase } from '../../../server/database/database.js'
import { lockSessionTable } from '../../../server/database/lock-sessions.js'
import { Locks } from '../../../server/locks/locks.js'
import { openStorage } from '../../../server/storage/sqlite-storage.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { kernelCalls } from './kernel-calls.js'
import { localRemoteFiles, type Requests } from './local-remote-files.js'
import { type Fault, localLocks } from './locks/local-locks.js'

export interface Machine {
  readonly fs: CofferFileSystem
  readonly files: ReturnType<typeof localRemoteFiles>['files']
  readonly requests: Requests
  readonly fault: Fault
  readonly calls: ReturnType<typeof kernelCalls>
  /** What the kernel was told to drop. */
  readonly invalidated: string[]
  /** What the stream of changes says, where the test says it. */
  readonly news: News
}

/** Whether a machine hears of what others change. */
export type Changes = 'told' | 'told, with locks' | 'not told' | 'as the test says'

export interface World {
  /** One more machine that mounts the same tree. `more`: what else its remote files have. */
  machine(
    options?: Partial<FileSystemOptions>,
    changes?: Changes,
    more?: Partial<RemoteFiles>,
  ): Promise<Machine>
  /** Lets the clocks of the machines and of the server's locks go on. */
  pass(milliseconds: number): void
  /** The server forgets what it has in memory, and all streams of changes break. */
  restart(): void
  close(): Promise<void>
}

/** A stream of changes in the hands of a test. */
export class News {
  readonly #said: RemoteNews[] = []
  #wake: () => void = () => {}

  say(...news: RemoteNews[]): void {
    this.#said.push(...news)
    this.#wake()
  }

  async *stream(signal: AbortSignal): AsyncGenerator<RemoteNews> {
    while (!signal.aborted) {
      yield* this.#said.splice(0)
      if (this.#said.length > 0) continue
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}

async function* nothing(): AsyncGenerator<RemoteNews> {}

/** As the server does it: who makes a directory gets the lease that was asked for with it. */
function withLocks(
  files: Pick<RemoteFiles, 'make'>,
  { remote, changes, refuseFenced }: ReturnType<typeof localLocks>,
  fault: Fault,
): Pick<RemoteFiles, 'make' | 'locks' | 'changes'> {
  fault.mustHold = refuseFenced
  return {
    locks: remote,
    changes,
    async make(directory, name, what, attributes, { lease } = {}) {
      const made = await files.make(directory, name, what, attributes)
      if (lease === undefined) return made
      const { request, lock } = lease
      const asked = { request, lock, wait: false, delegable: true }
      const answer = await remote.lock(made.ino, asked)
      await fault.answer?.('lease')
      lease.answered(answer)
      return made
    },
  }
}

/** Machines that mount one user's tree of a storage engine, without kernel and without HTTP. */
export async function world(): Promise<World> {
  const directory = await temporaryDirectory('mount')
  const database = openDatabase(':memory:')
  const storage = await openStorage({ directory, database })
  const tree = await storage.tree('somebody')
  let now = 0
  const machines: Machine[] = []
  const start = () => new Locks({ now: () => now, records: lockSessionTable(database) })
  const streams: (() => void)[] = []
  const server = { locks: start(), restarted: (callback: () => void) => streams.push(callback) }
  storage.guardNames(server.locks)
  return {
    async machine(options = {}, changes = 'not told', more = {}) {
      const { files: all, requests, fault } = localRemoteFiles(tree, `m${machines.length}`)
      const news = new News()
      const stream = changes === 'told' ? all.changes : (signal: AbortSignal) => news.stream(signal)
      const locks = localLocks(server, tree, `m${machines.length}`, fault)
      const files = {
        ...all,
        changes: changes === 'not told' ? nothing : stream,
        ...(changes === 'told, with locks' ? withLocks(all, locks, fault) : {}),
        ...more,
      }
      const root = await files.root()
      requests.clear()
      const fs = fileSystem(files, { root, now: () => now, ...options })
      const invalidated: string[] = []
      const kernel: Kernel = {
        invalidateEntry: (parent, name) => invalidated.push(`entry ${parent} ${name}`),
        settled: async () => fault.settled?.(),
        inodesSettled: async () => fault.inodesSettled?.(),
        invalidateInode: (node, offset) => invalidated.push(`inode ${node} ${offset}`),
      }
      fs.init?.(kernel)
      const machine = { fs, files, news, requests, fault, invalidated, calls: kernelCalls(fs) }
      machines.push(machine)
      return machine
    },
    pass(milliseconds) {
      now += milliseconds
      server.locks.tick()
    },
    restart() {
      server.locks.close()
      server.locks = start()
      storage.guardNames(server.locks)
      for (const broken of streams.splice(0)) broken()
    },
    async close() {
      for (const { fs, fault } of machines) {
        delete fault.next
        await fs.destroy?.()
      }
      server.locks.close()
      await storage.close()
      database.close()
      await removeDirectory(directory)
    },
  }
}

/** Two machines that mount the same tree, and hear of each other's changes alike. */
export async function twoMachines(
  changes?: Changes,
): Promise<{ earth: World; here: Machine; there: Machine }> {
  const earth = await world()
  const here = await earth.machine({}, changes)
  const there = await earth.machine({}, changes)
  return { earth, here, there }
}
