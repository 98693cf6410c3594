import { type Command, InvalidArgumentError } from 'commander'
import type { AuditEntry } from '../database/accounts/audit.js'
import { atWorkbench, type CommandLine, type Workbench } from './workbench.js'

interface ListOptions {
  user?: string
  event?: string
  since?: number
  limit: number
}

/** audit list | verify */
export function auditCommands(program: Command, line: CommandLine): void {
  const audit = program.command('audit').description('what happened: who, what client, from where')

  audit
    .command('list')
    .description('print the newest entries as JSON, one a line, oldest first')
    .option('--user <username>', 'only of this account')
    .option('--event <name>', 'only of this kind, such as login')
    .option(
      '--since <time>',
      'only from this moment on, such as 2026-11-23 or 2026-11-23T08:00:00Z',
      moment,
    )
    .option('--limit <number>', 'at most so many', count, 100)
    .action(async (options: ListOptions) =>
      atWorkbench(line, async (bench) => {
        const { user, event, since, limit } = options
        const names = new Map(bench.accounts.all().map((each) => [each.id, each.username]))
        const subject = user === undefined ? undefined : subjectOf(bench, user)
        for (const entry of bench.audit.query({ subject, event, since, limit })) {
          line.print(JSON.stringify(readable(entry, names)))
        }
      }),
    )

  audit
    .command('verify')
    .description('prove that no entry was changed or removed; status 1 when one was')
    .action(async () =>
      atWorkbench(line, async (bench) => {
        const verification = bench.audit.verify()
        switch (verification.kind) {
          case 'whole':
            line.print(`The audit log is whole: ${verification.entries} entries.`)
            return
          case 'broken':
            line.print(
              `The audit log was changed: entry ${verification.number} is not as it was written.`,
            )
            line.fail(1)
            return
          case 'cut':
            line.print(`The audit log was cut: entries are missing at the ${verification.end}.`)
            line.fail(1)
        }
      }),
    )
}

/** By name, or, as those that were removed go on in the log, by id. @throws when there is nothing of it in either */
function subjectOf({ accounts, audit }: Workbench, user: string): string {
  const found = accounts.lookup(user)
  if (found !== undefined) return found.id
  if (audit.query({ subject: user, limit: 1 }).length > 0) return user
  throw new Error(
    `there is no account ${user}, and nothing of one with that id: "coffer-server user list" shows all`,
  )
}

function readable(
  { at, subject, ...entry }: AuditEntry,
  names: ReadonlyMap<string, string>,
): object {
  const time = new Date(at).toISOString()
  if (subject === undefined) return { time, ...entry }
  return { time, ...entry, user: names.get(subject) ?? subject }
}

function moment(value: string): number {
  const time = Date.parse(value)
  if (Number.isNaN(time)) throw new InvalidArgumentError('It must be a date such as 2026-11-23.')
  return time
}

function count(value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1 && number <= 1_000_000) return number
  throw new InvalidArgumentError('It must be a number from 1 to 1000000.')
}
