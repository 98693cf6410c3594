import { closeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { endianness } from 'node:os'
import type { Binding } from './filesystem.js'
import { mountedDevice, systemCalls, unmountDirectory } from './fusermount.js'
import { MountError } from './mount-error.js'
import { checkDevice, mountOn, mountPoint } from './mount-point.js'
import { SESSION_THREADS, Session } from './session.js'
import { hasMoreThreadsThan } from './thread-pool.js'

/**
 * What UV_THREADPOOL_SIZE must be, at least, when the process that mounts is started: the session's threads wait in the
 * kernel all the time, and what else the process does (files, names, compression) needs some as well, also while six wait for
 * a disk of the cache that hangs.
 */
export const THREAD_POOL_SIZE = SESSION_THREADS + 10

/** The kernel's own protocol over /dev/fuse. */
export const kernelBinding: Binding = async (directory, fileSystem, options) => {
  if (endianness() !== 'LE') throw new MountError('failed', 'only little-endian machines are known')
  await checkDevice()
  const point = await mountPoint(directory)
  await checkThreads()
  const device = await mountedDevice(point, options)
  const session = new Session(device, fileSystem)
  await session.ready
  await raiseReadAhead(point)
  return {
    ended: session.ended,
    unmount: ({ lazy }) => unmountDirectory(point, lazy),
    abandon: () => device.watched?.stop(),
  }
}

async function checkThreads(): Promise<void> {
  const { socketpair } = systemCalls()
  const pair = socketpair()
  const enough = await hasMoreThreadsThan(SESSION_THREADS, pair)
  for (const socket of pair) closeSync(socket)
  if (!enough) throw new MountError('too-few-threads', String(THREAD_POOL_SIZE))
}

const READ_AHEAD_KIB = 1024

/** Reads of up to a MiB, as writes are, instead of 128 KiB. Only root may ask for it; everybody else does without. */
async function raiseReadAhead(directory: string): Promise<void> {
  const mount = await mountOn(directory)
  if (mount === undefined) return
  const setting = `/sys/class/bdi/${mount.device}/read_ahead_kb`
  await writeFile(setting, String(READ_AHEAD_KIB)).catch(() => undefined)
}
