import { lock } from 'proper-lockfile'
import type { AccountDirectory } from './account.js'
import { privateDirectory } from './atomic-file.js'

/** A holder that shows no life for this long has died. */
const STALE_MILLISECONDS = 15_000
const TRIES = { retries: 300, factor: 1.1, minTimeout: 30, maxTimeout: 250, randomize: true }

/** Only one process of the account at a time changes its tokens. */
export async function withRefreshLock<T>(
  directory: AccountDirectory,
  work: () => Promise<T>,
): Promise<T> {
  await privateDirectory(directory.path)
  const release = await lock(directory.path, {
    lockfilePath: directory.lockFile,
    realpath: false,
    stale: STALE_MILLISECONDS,
    retries: TRIES,
    // Somebody took the lock from us after a long sleep: the work goes on, the server's grace for retries covers it.
    onCompromised: () => {},
  })
  try {
    return await work()
  } finally {
    await release().catch(() => {})
  }
}
