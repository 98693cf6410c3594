import type { Context, FileSystem, Handle, Node } from '../../fuse/filesystem.js'
import { when } from '../../fuse/soon.js'
import { unlessInterrupted } from '../answer.js'
import type { MountState } from '../mount-state.js'

/** The operations of fuse(4) that have to do with locks: closing a file ends some. */
export function lockOperations(
  state: MountState,
): Pick<FileSystem, 'flush' | 'release'> & Partial<Pick<FileSystem, 'getlk' | 'setlk'>> {
  const { locks, nodes, open } = state
  if (locks === undefined) {
    return {
      flush: (_, handle, context) => unlessInterrupted(open.flush(handle), context),
      release: (_, handle) => open.release(handle),
    }
  }
  const known = (node: number) => nodes.known(nodes.ino(node))

  async function flushLocked(
    node: Node,
    handle: Handle,
    context: Context,
    lockOwner: string | undefined,
  ): Promise<void> {
    try {
      locks?.refuseLost(handle)
      await unlessInterrupted(open.flush(handle), context)
      locks?.refuseLost(handle)
    } finally {
      if (lockOwner !== undefined) await locks?.closed(known(node), lockOwner)
    }
  }

  async function releaseLocked(node: Node, handle: Handle): Promise<void> {
    try {
      await locks?.released(known(node), handle)
    } finally {
      await open.release(handle)
    }
  }

  return {
    flush(node, handle, context, lockOwner) {
      if (locks.concern(nodes.ino(node), handle))
        return flushLocked(node, handle, context, lockOwner)
      const flushed = unlessInterrupted(open.flush(handle), context)
      if (!(flushed instanceof Promise) || lockOwner === undefined) return flushed
      return flushed.finally(() => locks.closed(known(node), lockOwner))
    },
    release(node, handle) {
      return locks.concern(nodes.ino(node), handle)
        ? releaseLocked(node, handle)
        : open.release(handle)
    },
    async getlk(node, _, { type, ...range }, context) {
      if (type === 'none') return undefined
      await state.sent(nodes.ino(node))
      const { space, owner, start, end, pid } = range
      const lock = await locks.test(known(node), { space, owner, start, end, pid, type }, context)
      return lock && { ...lock, space }
    },
    setlk(node, handle, change, way, context) {
      const { space, owner, start, end, pid, type } = change
      if (type === 'none') return locks.unlock(known(node), change)
      const lock = { space, owner, start, end, pid, type }
      // The server knows only what it has heard of.
      return when(state.sent(nodes.ino(node)), () =>
        locks.lock(known(node), handle, lock, way, context),
      )
    },
  }
}
