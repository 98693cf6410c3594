import fs from 'node:fs'
import { promisify } from 'node:util'
import { EagerWrites } from './eager-writes.js'
import { type Sought, sparseCalls } from './sparse-calls.js'

/**
 * The node:fs calls the engine uses: the seam at which a test breaks the disk. The synchronous ones are short and hit
 * the page cache; whatever can take long is asynchronous, even if it is mostly done at once (eager-writes.ts).
 */
export interface Disk {
  open(path: string, flags: number): number
  close(fd: number): void
  /** Answers the bytes read; fewer only at the end of the file. */
  readSync(fd: number, into: Buffer, position: number): number
  read(fd: number, into: Buffer, position: number): Promise<number>
  writeSync(fd: number, data: Buffer, position: number): void
  write(fd: number, data: readonly Buffer[], position: number): Promise<void>
  /** Length and allocated bytes of a file. */
  stat(fd: number): { readonly length: number; readonly allocated: number }
  truncate(fd: number, length: number): Promise<void>
  /** lseek(2) with SEEK_DATA or SEEK_HOLE; unknown where that cannot be asked. */
  seek(fd: number, position: number, what: 'data' | 'hole'): Promise<Sought>
  /** Makes a hole of a range within the file; answers false, having changed nothing, where that cannot be. */
  punch(fd: number, position: number, length: number): Promise<boolean>
  fdatasync(fd: number): Promise<void>
  syncFolder(path: string): Promise<void>
  makeFolder(path: string): void
  removeFolder(path: string): Promise<void>
  unlink(path: string): Promise<void>
  unlinkSync(path: string): void
  /** Copies to a new file. @param flags COPYFILE_… */
  copy(from: string, to: string, flags: number): Promise<void>
  /** Names in a folder; none if there is no such folder. */
  names(path: string): Promise<string[]>
  /** Bytes of the file system that holds the path: all, and what an ordinary user may still take. */
  space(path: string): { readonly total: number; readonly free: number }
}

const read = promisify(fs.read)
const writev = promisify(fs.writev)
const eager = new EagerWrites(() => performance.now(), fs.writevSync)

export const nodeDisk: Disk = {
  open: (path, flags) => fs.openSync(path, flags, 0o600),
  close: (fd) => fs.closeSync(fd),
  readSync(fd, into, position) {
    let done = 0
    while (done < into.length) {
      const bytes = fs.readSync(fd, into, done, into.length - done, position + done)
      if (bytes === 0) break
      done += bytes
    }
    return done
  },
  async read(fd, into, position) {
    let done = 0
    while (done < into.length) {
      const { bytesRead } = await read(fd, into, done, into.length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  },
  writeSync(fd, data, position) {
    let done = 0
    while (done < data.length) {
      done += fs.writeSync(fd, data, done, data.length - done, position + done)
    }
  },
  async write(fd, data, position) {
    let rest = data.filter((piece) => piece.length > 0)
    let at = position
    const went = (bytes: number) => {
      at += bytes
      rest = after(rest, bytes)
    }
    while (rest.length > 0) {
      const isTurn = at < position + EAGER_BYTES
      const bytes = isTurn ? eager.write(fd, leading(rest), at) : undefined
      went(bytes ?? (await writev(fd, leading(rest), at)).bytesWritten)
    }
  },
  stat(fd) {
    const stat = fs.fstatSync(fd)
    return { length: stat.size, allocated: stat.blocks * 512 }
  },
  truncate: promisify(fs.ftruncate),
  async seek(fd, position, what) {
    return sparseCalls()?.seek(fd, position, what) ?? { kind: 'unknown' }
  },
  punch: async (fd, position, length) =>
    (await sparseCalls()?.punch(fd, position, length)) ?? false,
  fdatasync: promisify(fs.fdatasync),
  async syncFolder(path) {
    const folder = await fs.promises.open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  makeFolder: (path) => {
    fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  },
  removeFolder: (path) => fs.promises.rmdir(path),
  unlink: (path) => fs.promises.unlink(path),
  unlinkSync: (path) => fs.unlinkSync(path),
  copy: (from, to, flags) => fs.promises.copyFile(from, to, flags),
  async names(path) {
    try {
      return await fs.promises.readdir(path)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return []
      throw error
    }
  },
  space(path) {
    const { bsize, blocks, bavail } = fs.statfsSync(path)
    return { total: bsize * blocks, free: bsize * bavail }
  },
}

/** The most buffers one writev(2) takes. */
const IOV_MAX = 1024
/**
 * About so many bytes go to the page cache at a time. With 512 KiB some processes took 3 ms of a processor for a MiB in place of 1.7,
 * all of it in filling pages; probably because larger writes take larger folios, which a virtual machine may have to fetch first.
 */
export const WRITE_BYTES = 128 * 1024

/** Of one write, so many bytes go to it before the event loop gets a turn: less than a fifth of a millisecond. */
const EAGER_BYTES = 512 * 1024

/** The first buffers, as many as one call is to write. */
function leading(buffers: readonly Buffer[]): readonly Buffer[] {
  let bytes = 0
  let count = 0
  for (; count < IOV_MAX && bytes < WRITE_BYTES; count += 1)
    bytes += buffers[count]?.length ?? WRITE_BYTES
  return buffers.slice(0, count)
}

/** What is left of buffers after their first bytes went. */
function after(buffers: readonly Buffer[], bytes: number): Buffer[] {
  let skip = bytes
  const rest: Buffer[] = []
  for (const buffer of buffers) {
    if (skip >= buffer.length) {
      skip -= buffer.length
      continue
    }
    rest.push(skip === 0 ? buffer : buffer.subarray(skip))
    skip = 0
  }
  return rest
}

/** Whether an error is the one of a system call with this name. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
