import type { FileSystem } from './filesystem.js'
import { INIT } from './protocol.js'

/**
 * What we ask of every kernel that offers it. Not asked for, on purpose: WRITEBACK_CACHE (the kernel would invent times and
 * sizes, and lose the order of writes), POSIX_ACL and DONT_MASK (the kernel applies the umask), EXPORT_SUPPORT,
 * AUTO_INVAL_DATA (our own writes change the time on the server, and would drop the very pages they filled) and
 * EXPLICIT_INVAL_DATA (a change of size must drop pages even if nobody told us).
 */
const WANTED =
  INIT.ASYNC_READ |
  INIT.ATOMIC_O_TRUNC |
  INIT.BIG_WRITES |
  INIT.ASYNC_DIO |
  INIT.PARALLEL_DIROPS |
  INIT.MAX_PAGES |
  INIT.CACHE_SYMLINKS |
  INIT.INIT_EXT |
  INIT.DIRECT_IO_ALLOW_MMAP

export function agreedFlags(offered: bigint, fs: FileSystem): bigint {
  const readdirplus =
    fs.readdirplus === undefined ? 0n : INIT.DO_READDIRPLUS | INIT.READDIRPLUS_AUTO
  const killpriv = fs.killsPrivileges === true ? INIT.HANDLE_KILLPRIV_V2 : 0n
  const locks = fs.setlk === undefined ? 0n : INIT.POSIX_LOCKS | INIT.FLOCK_LOCKS
  return offered & (WANTED | readdirplus | killpriv | locks)
}
