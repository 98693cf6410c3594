import { setTimeout as delay } from 'node:timers/promises'
import type { ControlReply, PendingWrites } from './control.js'
import type { CofferFileSystem } from './fs/options.js'
import type { Mounted } from './fuse/filesystem.js'

const PROGRESS_MILLISECONDS = 500
const NOTHING: PendingWrites = { bytes: 0, files: 0 }

/** Sends what is still to be sent and then unmounts; says from time to time how much is left. */
export async function* unmountGently(
  fileSystem: CofferFileSystem,
  mounted: Mounted,
): AsyncGenerator<ControlReply> {
  const drained = fileSystem.drain().then(
    () => ({ kind: 'drained' }) as const,
    (error: unknown) => ({ kind: 'failed', error }) as const,
  )
  for (;;) {
    const step = await Promise.race([drained, delay(PROGRESS_MILLISECONDS, 'waiting' as const)])
    if (step === 'waiting') {
      yield { kind: 'pending', pending: fileSystem.pending() }
      continue
    }
    if (step.kind === 'failed') {
      yield { kind: 'failed', message: `not everything could be sent: ${said(step.error)}` }
      return
    }
    break
  }
  try {
    await mounted.unmount({ lazy: false })
    yield { kind: 'unmounted', lost: NOTHING }
  } catch (error) {
    yield { kind: 'failed', message: said(error) }
  }
}

/** Unmounts at once, whatever is still open or unsent. */
export async function* unmountByForce(
  fileSystem: CofferFileSystem,
  mounted: Mounted,
): AsyncGenerator<ControlReply> {
  const lost = fileSystem.pending()
  try {
    await mounted.unmount({ lazy: true })
    yield { kind: 'unmounted', lost }
  } catch (error) {
    yield { kind: 'failed', message: said(error) }
  }
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
