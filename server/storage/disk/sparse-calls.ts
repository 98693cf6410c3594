import { createRequire } from 'node:module'

/** lseek(2) and fallocate(2) on descriptors; Node has neither, and koffi, which brings them, need not be installed. */
export interface SparseCalls {
  /** Where data, or a hole, begins at or after a position. */
  seek(fd: number, position: number, what: 'data' | 'hole'): Sought
  /** Makes a hole of a range, whose room is free then; answers false where the file system cannot. */
  punch(fd: number, position: number, length: number): Promise<boolean>
}

export type Sought =
  | { readonly kind: 'found'; readonly position: number }
  | { readonly kind: 'none' }
  /** The file system cannot tell. */
  | { readonly kind: 'unknown' }

const ENXIO = 6
const SEEK_DATA = 3
const SEEK_HOLE = 4
const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2

/** The part of koffi 3 that we use. */
interface Koffi {
  load(library: null): { func(prototype: string): NativeFunction }
  errno(): number
}

interface NativeFunction {
  (...args: unknown[]): unknown
  async(...args: unknown[]): void
}

let loaded: SparseCalls | 'none' | undefined

/** Loaded when they are first needed, once. */
export function sparseCalls(): SparseCalls | undefined {
  loaded ??= loadedOrNone()
  return loaded === 'none' ? undefined : loaded
}

function loadedOrNone(): SparseCalls | 'none' {
  try {
    return load()
  } catch {
    return 'none'
  }
}

/** Not an import: what is not installed has no types to compile with. */
function load(): SparseCalls {
  const koffi: Koffi = createRequire(import.meta.url)('koffi')
  const libc = koffi.load(null)
  const lseek = libc.func('int64_t lseek(int fd, int64_t offset, int whence)')
  const fallocate = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
  return {
    seek(fd, position, what) {
      // the position of the descriptor changes, which nobody goes by: all reads and writes say theirs
      const found = Number(lseek(fd, position, what === 'data' ? SEEK_DATA : SEEK_HOLE))
      if (found >= 0) return { kind: 'found', position: found }
      return koffi.errno() === ENXIO ? { kind: 'none' } : { kind: 'unknown' }
    },
    punch: (fd, position, length) =>
      new Promise((resolve) => {
        const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
        fallocate.async(fd, mode, position, length, (error: unknown, result: number) => {
          resolve(error === null && result === 0)
        })
      }),
  }
}
