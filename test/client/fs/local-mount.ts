import { fileSystem } from '../../../client/fs/operations.js'
import type { CofferFileSystem, FileSystemOptions } from '../../../client/fs/options.js'
import type { Kernel } from '../../../client/fuse/filesystem.js'
import type { RemoteFiles } from '../../../client/remote-files.js'
import { openDatabase } from '../../../server/database/database.js'
import { openStorage } from '../../../server/storage/engine.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { kernelCalls } from './kernel-calls.js'
import { localRemoteFiles, type Requests } from './local-remote-files.js'

export interface Machine {
  readonly fs: CofferFileSystem
  readonly files: Required<RemoteFiles>
  readonly requests: Requests
  readonly fault: { next?: (operation: string) => Error | undefined }
  readonly calls: ReturnType<typeof kernelCalls>
  /** What the kernel was told to drop. */
  readonly invalidated: string[]
}

export interface World {
  /** One more machine that mounts the same tree. */
  machine(options?: Partial<FileSystemOptions>): Promise<Machine>
  /** Lets the machines' clocks go on. */
  pass(milliseconds: number): void
  close(): Promise<void>
}

/** Machines that mount one user's tree of a storage engine, without kernel and without HTTP. */
export async function world(): Promise<World> {
  const directory = await temporaryDirectory('mount')
  const database = openDatabase(':memory:')
  const storage = await openStorage({ directory, database })
  const tree = await storage.tree('somebody')
  let now = 0
  const machines: Machine[] = []
  return {
    async machine(options = {}) {
      const { files, requests, fault } = localRemoteFiles(tree)
      const root = await files.root()
      requests.clear()
      const fs = fileSystem(files, { root, now: () => now, ...options })
      const invalidated: string[] = []
      const kernel: Kernel = {
        invalidateEntry: (parent, name) => invalidated.push(`entry ${parent} ${name}`),
        invalidateInode: (node, offset) => invalidated.push(`inode ${node} ${offset}`),
      }
      fs.init?.(kernel)
      const machine = { fs, files, requests, fault, invalidated, calls: kernelCalls(fs) }
      machines.push(machine)
      return machine
    },
    pass(milliseconds) {
      now += milliseconds
    },
    async close() {
      for (const { fs, fault } of machines) {
        delete fault.next
        await fs.destroy?.()
      }
      await storage.close()
      database.close()
      await removeDirectory(directory)
    },
  }
}
