/** One inode of the memory file system. Content is in chunks, so that files may be sparse. */
const CHUNK = 1 << 20

interface Common {
  readonly ino: number
  mode: number
  uid: number
  gid: number
  nlink: number
  atime: bigint
  mtime: bigint
  ctime: bigint
  readonly xattrs: Map<string, Buffer>
  /** References the kernel holds, and open handles. */
  references: number
  opened: number
}
export interface MemoryFile extends Common {
  readonly kind: 'file'
  size: number
  readonly chunks: Map<number, Buffer>
}
export interface MemoryDirectory extends Common {
  readonly kind: 'directory'
  readonly entries: Map<string, number>
  parent: number
}
export interface MemorySymlink extends Common {
  readonly kind: 'symlink'
  readonly target: string
}
export interface MemorySpecial extends Common {
  readonly kind: 'special'
  readonly rdev: number
}
export type MemoryInode = MemoryFile | MemoryDirectory | MemorySymlink | MemorySpecial

/** The wall clock with the nanoseconds of the monotonic one. */
const STARTED = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
export const now = (): bigint => STARTED + process.hrtime.bigint()

export class PosixError extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export function readContent(file: MemoryFile, offset: number, size: number): Buffer {
  const length = Math.max(0, Math.min(size, file.size - offset))
  const start = offset % CHUNK
  const first = file.chunks.get(Math.floor(offset / CHUNK))
  if (first !== undefined && start + length <= CHUNK) return first.subarray(start, start + length)
  const out = Buffer.alloc(length)
  forChunks(offset, length, (chunk, from, to, at) => {
    file.chunks.get(chunk)?.copy(out, at, from, to)
  })
  return out
}

export function writeContent(file: MemoryFile, offset: number, data: Buffer): void {
  forChunks(offset, data.length, (chunk, from, to, at) => {
    let bytes = file.chunks.get(chunk)
    if (bytes === undefined) {
      bytes = Buffer.alloc(CHUNK)
      file.chunks.set(chunk, bytes)
    }
    data.copy(bytes, from, at, at + to - from)
  })
  file.size = Math.max(file.size, offset + data.length)
}

export function zeroContent(file: MemoryFile, offset: number, length: number): void {
  forChunks(offset, Math.max(0, Math.min(length, file.size - offset)), (chunk, from, to) => {
    if (to - from === CHUNK) file.chunks.delete(chunk)
    else file.chunks.get(chunk)?.fill(0, from, to)
  })
}

export function resize(file: MemoryFile, size: number): void {
  if (size < file.size) {
    const last = Math.floor(size / CHUNK)
    for (const chunk of file.chunks.keys()) if (chunk > last) file.chunks.delete(chunk)
    file.chunks.get(last)?.fill(0, size % CHUNK)
  }
  file.size = size
}

/** lseek(2) SEEK_DATA 3 and SEEK_HOLE 4. */
export function seekContent(file: MemoryFile, offset: number, whence: number): number {
  if (offset >= file.size) throw new PosixError('ENXIO')
  const wantsData = whence === 3
  for (let at = offset; at < file.size; at = (Math.floor(at / CHUNK) + 1) * CHUNK) {
    if (file.chunks.has(Math.floor(at / CHUNK)) === wantsData) return at
  }
  if (wantsData) throw new PosixError('ENXIO')
  return file.size
}

function forChunks(
  offset: number,
  length: number,
  visit: (chunk: number, from: number, to: number, at: number) => void,
): void {
  for (let at = 0; at < length; ) {
    const from = (offset + at) % CHUNK
    const step = Math.min(CHUNK - from, length - at)
    visit(Math.floor((offset + at) / CHUNK), from, from + step, at)
    at += step
  }
}
