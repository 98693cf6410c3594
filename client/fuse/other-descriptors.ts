import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join, sep } from 'node:path'

/** More than a shell has. To look through all of a server's would take longer than to do without the answer. */
const MOST_DESCRIPTORS = 32
const ACCESS_MODE = 3
const READ_ONLY = 0

/**
 * Whether the program of a thread has a descriptor through which it may write to a file of the mount. One that it is just closing is none any
 * more. Where nobody can know (proc_pid_fd(5)), it has none. No file is asked for anything: the kernel would ask us.
 */
export function mayStillWrite(thread: number, directory: string, ino: number): boolean {
  const descriptors = join('/proc', String(thread), 'fd')
  try {
    const all = readdirSync(descriptors)
    if (all.length > MOST_DESCRIPTORS) return false
    return all.some(
      (each) =>
        isBelow(directory, target(join(descriptors, each))) && isWritten(info(thread, each), ino),
    )
  } catch {
    return false
  }
}

/** Of a descriptor that may be closed meanwhile. */
function target(descriptor: string): string {
  try {
    return readlinkSync(descriptor)
  } catch {
    return ''
  }
}

function info(thread: number, descriptor: string): string {
  return readFileSync(join('/proc', String(thread), 'fdinfo', descriptor), 'latin1')
}

function isBelow(directory: string, path: string): boolean {
  return path.startsWith(directory.endsWith(sep) ? directory : directory + sep)
}

/** By what proc_pid_fdinfo(5) says. */
function isWritten(info: string, ino: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1]
  const number = /^ino:\s*(\d+)$/m.exec(info)?.[1]
  if (flags === undefined || number !== String(ino)) return false
  return (Number.parseInt(flags, 8) & ACCESS_MODE) !== READ_ONLY
}
