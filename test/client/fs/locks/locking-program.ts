import { LOCK_TIMES } from '../../../../server/locks/requests.js'
import { LOCK_END } from '../../../../server/wire/locks.js'
import { caller, O_RDWR } from '../kernel-calls.js'
import type { Machine, World } from '../local-mount.js'

/** A program that has a file open, and locks the whole of it. */
export async function program(
  { fs, calls }: Machine,
  flags = O_RDWR,
  space: 'flock' | 'posix' = 'flock',
  name = 'f',
) {
  const { node } = await calls.walk(name)
  const { handle } = await fs.open(node, flags, caller)
  const whole = { space, start: 0, end: LOCK_END, pid: 1, owner: String(handle) } as const
  const lock = async (type: 'read' | 'write' | 'none') =>
    fs.setlk?.(node, handle, { ...whole, type }, 'at once', caller)
  return {
    node,
    lock: () => lock('write'),
    share: () => lock('read'),
    unlock: () => lock('none'),
    read: async () => String(await fs.read(node, handle, 0, 4096, caller)),
    write: async (text: string, at = 0) => fs.write(node, handle, at, Buffer.from(text), caller),
    size: async () => (await fs.getattr(node, handle, caller)).size,
    cut: (size = 1) => fs.setattr(node, { size }, handle, caller),
    allocate: async () => fs.fallocate?.(node, handle, 0, 100, 0, caller),
    copy: async () => {
      const at = (offset: number) => ({ node, handle, offset })
      return fs.copyFileRange?.(at(0), at(10), 2, caller)
    },
    sync: async () => fs.fsync(node, handle, false, caller),
    flush: async () => fs.flush(node, handle, caller),
    async close() {
      try {
        await fs.flush(node, handle, caller)
      } finally {
        await fs.release(node, handle, caller)
      }
    },
  }
}
export type Program = Awaited<ReturnType<typeof program>>

/** By which error the program is refused. */
export async function refused(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return 'nothing was refused'
}

/** What a program on another machine writes under the lock, once the lease is over. */
export async function takenBy(machine: Machine, earth: World, text: string): Promise<void> {
  const theirs = await program(machine)
  earth.pass(LOCK_TIMES.leaseMilliseconds)
  await theirs.lock()
  await theirs.write(text)
  await theirs.close()
}
