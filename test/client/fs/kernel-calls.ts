import type { CofferFileSystem } from '../../../client/fs/options.js'
import type { Context, FuseEntry } from '../../../client/fuse/filesystem.js'
import { when } from '../../../client/fuse/soon.js'

export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const ROOT = 1

/** Somebody's program. */
export const caller: Context = {
  uid: 1000,
  gid: 1000,
  pid: 4711,
  signal: new AbortController().signal,
}

/** What the kernel calls for the system calls of a program. */
export function kernelCalls(fs: CofferFileSystem) {
  const calls = {
    /** open(path, O_CREAT | flags, 0644) of a name the kernel has looked up and not found. */
    create: (parent: number, name: string, flags = O_WRONLY | O_TRUNC, mode = 0o100644) =>
      when(fs.create(parent, name, mode, flags, caller), ({ entry, open }) => ({
        ...entry,
        ...open,
      })),

    lookup: (parent: number, name: string) => fs.lookup(parent, name, caller),

    async walk(path: string): Promise<FuseEntry> {
      let entry: FuseEntry | undefined
      for (const name of path.split('/')) {
        entry = await fs.lookup(entry?.node ?? ROOT, name, caller)
        if (entry.node === 0) throw new Error(`${path}: no ${name}`)
      }
      if (entry === undefined) throw new Error('an empty path')
      return entry
    },

    /** A whole small file, as a shell's ">" writes it. */
    async store(parent: number, name: string, text: string, flags = O_WRONLY | O_TRUNC) {
      const there = await fs.lookup(parent, name, caller)
      const file =
        there.node === 0
          ? await calls.create(parent, name, flags)
          : { ...there, ...(await fs.open(there.node, flags, caller)) }
      if (text !== '') await fs.write(file.node, file.handle, 0, Buffer.from(text), caller)
      await fs.flush(file.node, file.handle, caller)
      await fs.release(file.node, file.handle, caller)
      return file
    },

    async text(node: number): Promise<string> {
      const { handle } = await fs.open(node, O_RDONLY, caller)
      const data = await fs.read(node, handle, 0, 1 << 20, caller)
      await fs.flush(node, handle, caller)
      await fs.release(node, handle, caller)
      return String(data)
    },

    async list(node: number): Promise<string[]> {
      const { handle } = await fs.opendir(node, caller)
      const names: string[] = []
      for (let offset = 0; ; ) {
        const entries = await fs.readdir(node, handle, offset, 4096, caller)
        const last = entries.at(-1)
        if (last === undefined) break
        names.push(...entries.map((entry) => entry.name))
        offset = last.offset
      }
      await fs.releasedir(node, handle, caller)
      return names.filter((name) => name !== '.' && name !== '..').sort()
    },

    stat: (node: number) => fs.getattr(node, undefined, caller),
  }
  return calls
}
