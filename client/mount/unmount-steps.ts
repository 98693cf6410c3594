import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../error-of.js'
import type { CofferFileSystem } from '../fs/options.js'
import type { Mounted } from '../fuse/filesystem.js'
import type { ControlReply, PendingWrites } from './control.js'
import type { Serving } from './mount-status.js'

const PROGRESS_MILLISECONDS = 500
const NOTHING: PendingWrites = { bytes: 0, files: 0 }

/** Sends what is still to be sent and then unmounts; says from time to time how much is left. */
export async function* unmountGently(
  { shown, mounted, remote }: Pick<Serving, 'shown' | 'mounted' | 'remote'>,
  trouble: () => string | undefined,
): AsyncGenerator<ControlReply> {
  const drained = shown.drain().then(
    () => ({ kind: 'drained' }) as const,
    (error: unknown) => ({ kind: 'failed', error }) as const,
  )
  for (;;) {
    const step = await Promise.race([drained, delay(PROGRESS_MILLISECONDS, 'waiting' as const)])
    if (step === 'waiting') {
      const why = trouble()
      const { files, bytes } = shown.pending()
      // What a slow line has carried of a long request is not to be sent any more.
      const pending = { files, bytes: Math.max(0, bytes - remote.uploading.bytes) }
      yield { kind: 'pending', pending, ...(why === undefined ? {} : { trouble: why }) }
      continue
    }
    if (step.kind === 'failed') {
      const kept = shown.kept?.().files ?? 0
      const advice = kept === 0 ? '' : '; with --force the journal keeps it for the next mount'
      const message = `not everything could be sent: ${messageOf(step.error)}${advice}`
      yield { kind: 'failed', message }
      return
    }
    break
  }
  try {
    await mounted.unmount({ lazy: false })
    yield { kind: 'unmounted', lost: NOTHING }
  } catch (error) {
    yield { kind: 'failed', message: messageOf(error) }
  }
}

/**
 * Unmounts at once, whatever is still open or unsent. What is said to be lost is given up, too: programs that have the file open
 * would send it later, over what was written since on the next mount.
 */
export async function* unmountByForce(
  fileSystem: CofferFileSystem,
  mounted: Mounted,
  giveUp: () => void,
): AsyncGenerator<ControlReply> {
  const pending = fileSystem.pending()
  const kept = fileSystem.kept?.() ?? NOTHING
  const lost = { bytes: pending.bytes - kept.bytes, files: pending.files - kept.files }
  try {
    await mounted.unmount({ lazy: true })
    if (lost.files > 0) giveUp()
    yield { kind: 'unmounted', lost, kept }
  } catch (error) {
    yield { kind: 'failed', message: messageOf(error) }
  }
}
