import type { Accounts } from '../accounts/accounts.js'
import type { Sessions } from '../accounts/sessions.js'
import type { AuditRecord } from '../database/accounts/audit.js'
import type { Log } from '../log.js'
import type { Pages } from './pages.js'

/** What every page of the site works with. */
export interface Site {
  readonly issuer: string
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly pages: Pages
  readonly clock: () => Date
  readonly log: Log
  audit(record: AuditRecord): void
}
