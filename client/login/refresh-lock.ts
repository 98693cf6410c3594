import { setTimeout as delay } from 'node:timers/promises'
import { lock } from 'proper-lockfile'
import { privateDirectory } from '../atomic-file.js'
import { codeOf } from '../error-of.js'
import type { AccountDirectory } from './account.js'
import { endedHolderRemoved, LockHolder } from './lock-holder.js'

/** A holder that shows no life for this long has died, wherever it was. */
const STALE_MILLISECONDS = 15_000
const TRIES = 300
const [SHORTEST_PAUSE, LONGEST_PAUSE] = [30, 250]

/** Only one process of the account at a time changes its tokens. */
export async function withRefreshLock<T>(
  directory: AccountDirectory,
  work: () => Promise<T>,
): Promise<T> {
  await privateDirectory(directory.path)
  const release = await locked(directory)
  const holder = await LockHolder.of(directory.lockFile)
  try {
    return await work()
  } finally {
    await holder?.remove()
    await release().catch(() => {})
  }
}

/** @throws after a good minute in which others always had it */
async function locked(directory: AccountDirectory): Promise<() => Promise<void>> {
  for (let tries = 1; ; tries++) {
    try {
      return await lock(directory.path, {
        lockfilePath: directory.lockFile,
        realpath: false,
        stale: STALE_MILLISECONDS,
        // Somebody took the lock from us after a long sleep: the work goes on, the server's grace for retries covers it.
        onCompromised: () => {},
      })
    } catch (error) {
      if (codeOf(error) !== 'ELOCKED' || tries > TRIES) throw error
    }
    if (await endedHolderRemoved(directory.lockFile)) continue
    const full = Math.min(SHORTEST_PAUSE * 1.1 ** tries, LONGEST_PAUSE)
    await delay(full * (1 + Math.random()))
  }
}
