import type { AuditLog } from './database/accounts/audit.js'
import { sweepLimits } from './database/accounts/limits.js'
import { sessionTable } from './database/accounts/sessions.js'
import type { Database } from './database/database.js'

const EVERY_MS = 60_000
/** Rows of a kind at a time: the event loop is never held for long. */
const PAGE = 500
const AUDIT_KEPT_MS = 400 * 86_400_000

export interface SweepOptions {
  readonly database: Database
  /** The authorization server's own. */
  readonly tokens: () => Promise<void>
  readonly audit: AuditLog
  readonly clock: () => Date
  readonly failed: (cause: unknown) => void
}

/** Removes what has expired, now and then, a page at a time: no table grows for ever. */
export function keepSwept(options: SweepOptions): { stop(): void } {
  const sessions = sessionTable(options.database)
  let running = false

  async function sweep(): Promise<void> {
    await options.tokens()
    const now = options.clock().getTime()
    for (let removed = PAGE; removed >= PAGE; ) {
      removed = Math.max(
        sessions.sweep(now, PAGE),
        sweepLimits(options.database, now, PAGE),
        options.audit.prune(now - AUDIT_KEPT_MS, PAGE),
      )
      await new Promise(setImmediate)
    }
  }

  const timer = setInterval(() => {
    if (running) return
    running = true
    sweep()
      .catch(options.failed)
      .finally(() => {
        running = false
      })
  }, EVERY_MS).unref()
  return { stop: () => clearInterval(timer) }
}
