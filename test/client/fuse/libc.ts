import { constants } from 'node:os'
import koffi from 'koffi'

/** System calls that node:fs does not have. A failure throws an error with the errno name as `code`. */
const library = koffi.load(null)
const CALLS = {
  renameat2: library.func('int renameat2(int, const char *, int, const char *, unsigned int)'),
  setxattr: library.func('int setxattr(const char *, const char *, const void *, size_t, int)'),
  getxattr: library.func('int64_t getxattr(const char *, const char *, void *, size_t)'),
  listxattr: library.func('int64_t listxattr(const char *, void *, size_t)'),
  removexattr: library.func('int removexattr(const char *, const char *)'),
  fallocate: library.func('int fallocate(int, int, int64_t, int64_t)'),
  flock: library.func('int flock(int, int)'),
  lseek: library.func('int64_t lseek(int, int64_t, int)'),
  copy_file_range: library.func('int64_t copy_file_range(int, void *, int, void *, size_t, int)'),
  pwrite: library.func('int64_t pwrite(int, const void *, size_t, int64_t)'),
  mknod: library.func('int mknod(const char *, unsigned int, uint64_t)'),
  utimensat: library.func('int utimensat(int, const char *, const void *, int)'),
} as const

const NAMES = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]))
export const AT_FDCWD = -100
export const UTIME_NOW = 0x3fffffffn
export const UTIME_OMIT = 0x3ffffffen

export function call(name: keyof typeof CALLS, ...args: unknown[]): number {
  const result = Number(CALLS[name](...args))
  if (result !== -1) return result
  const code = NAMES.get(koffi.errno()) ?? 'unknown'
  throw Object.assign(new Error(`${name}: ${code}`), { code })
}

/** Two struct timespec, as utimensat(2) takes them. */
export function timespecs(...times: readonly (readonly [seconds: bigint, rest: bigint])[]): Buffer {
  return Buffer.concat(
    times.map(([seconds, rest]) => {
      const bytes = Buffer.alloc(16)
      bytes.writeBigInt64LE(seconds, 0)
      bytes.writeBigInt64LE(rest, 8)
      return bytes
    }),
  )
}

/** The errno name that `work` fails with. */
export function errnoOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
  return 'no error'
}
