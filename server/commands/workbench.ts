import type { Store } from '../../oauth/index.js'
import { type Accounts, accounts } from '../accounts/accounts.js'
import { passwords } from '../accounts/passwords.js'
import { beginAudit, secretCheck } from '../bootstrap.js'
import type { Config } from '../config.js'
import { findDataDirectory, openBesideServer, secretOfServer } from '../data-directory.js'
import { userTable } from '../database/accounts/accounts.js'
import { type AuditLog, auditLog } from '../database/accounts/audit.js'
import type { Database } from '../database/database.js'
import { alone } from '../database/log.js'
import { oauthStore } from '../database/oauth/store.js'
import { settings } from '../database/settings.js'
import { type Secret, WrongSecret } from '../secret.js'

/** What a command has around it. */
export interface CommandLine {
  readonly config: () => Config
  readonly clock: () => Date
  readonly uid: number | undefined
  /** Everything on standard input. */
  readonly readInput: () => Promise<string>
  readonly print: (line: string) => void
  /** The exit status, when it is not 0. */
  readonly fail: (status: number) => void
}

/** The data directory opened for one command. A server may run beside it: what is done holds there at once. */
export interface Workbench {
  readonly config: Config
  readonly database: Database
  readonly store: Store
  readonly accounts: Accounts
  readonly audit: AuditLog
  readonly secret: Secret
}

export async function atWorkbench(
  line: CommandLine,
  work: (bench: Workbench) => Promise<void>,
): Promise<void> {
  const config = line.config()
  findDataDirectory(config.data, line.uid)
  const database = openBesideServer(config.data)
  try {
    const secret = secretBeside(database, config)
    const users = accounts(userTable(database), passwords(), line.clock)
    const audit = auditLog(database, secret.derive('audit'), line.clock)
    beginAudit(audit, users)
    await work({ config, database, store: oauthStore(database), accounts: users, audit, secret })
  } finally {
    database.close()
  }
}

/** @throws WrongSecret: what is sealed with it breaks the server, and what is audited with it breaks the log */
function secretBeside(database: Database, config: Config): Secret {
  const fixed = settings(database).get('secret_check')
  // One process at a time may make it.
  const missing = fixed === undefined ? 'make' : 'refuse'
  const secret = alone(database, () => secretOfServer(config, missing))
  if (fixed !== undefined && fixed !== secretCheck(secret)) throw new WrongSecret()
  return secret
}

/** Rows under their headings, columns as wide as they need. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? '').length)),
  )
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
