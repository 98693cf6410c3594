import type { Command } from 'commander'
import {
  AccountError,
  displayName,
  emailAddress,
  type NewPassword,
  newPassword,
  oneTimePassword,
  username,
} from '../accounts/accounts.js'
import type { User } from '../database/accounts/accounts.js'
import { lockDataDirectory } from '../database/lock.js'
import { changeQuota } from '../storage/maintenance/quota.js'
import { openStorage } from '../storage/sqlite-storage.js'
import { type QuotaOptions, quotaChange, quotaText } from './quota.js'
import { removeFiles } from './remove-files.js'
import { atWorkbench, type CommandLine, table, type Workbench } from './workbench.js'

interface PasswordOption {
  passwordStdin?: true
}

/** user add | passwd | list | quota | disable | enable | remove */
export function userCommands(program: Command, line: CommandLine): void {
  const user = program.command('user').description('who may sign in')

  user
    .command('add <username>')
    .description('add an account; without --password-stdin a password is drawn and shown once')
    .option('--name <name>', 'the name applications may see')
    .option('--email <address>', 'the e-mail address applications may see')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (name: string, options: PasswordOption & { name?: string; email?: string }) =>
      atWorkbench(line, async ({ accounts, audit }) => {
        const named = {
          username: username(name),
          ...(options.name !== undefined && { name: displayName(options.name) }),
          ...(options.email !== undefined && { email: emailAddress(options.email) }),
        }
        const { password, drawn } = await chosenPassword(line, options)
        const made = await accounts.add({
          ...named,
          password,
          temporaryPassword: drawn,
        })
        audit.append({ event: 'user.add', outcome: 'success', subject: made.id })
        line.print(`Added ${made.username}.`)
        if (drawn) line.print(`The password is ${password} (shown only this once).`)
      }),
    )

  user
    .command('passwd <username>')
    .description('give an account a new password; everything of it is signed out')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (name: string, options: PasswordOption) =>
      atWorkbench(line, async (bench) => {
        const { id } = existing(bench, name)
        const { password, drawn } = await chosenPassword(line, options)
        await bench.accounts.changePassword(id, password, { temporary: drawn })
        await bench.store.revokeGrantsOf(id, line.clock().getTime())
        bench.audit.append({ event: 'password.change', outcome: 'success', subject: id })
        line.print(`Changed the password of ${name}. All its devices and browsers are signed out.`)
        if (drawn) line.print(`The password is ${password} (shown only this once).`)
      }),
    )

  user
    .command('list')
    .description('list the accounts')
    .action(async () =>
      atWorkbench(line, async ({ accounts }) => {
        const rows = accounts
          .all()
          .map((each) => [
            each.username,
            each.name ?? '',
            each.disabledAt === undefined ? 'active' : 'disabled',
            new Date(each.createdAt).toISOString().slice(0, 10),
            each.id,
          ])
        line.print(table(['USER NAME', 'NAME', 'STATE', 'SINCE', 'ID'], rows))
      }),
    )

  user
    .command('quota <username>')
    .description('show how much an account keeps, and set how much it may')
    .option('--bytes <count>', 'of content, such as 500M or 20G; "none" for no limit')
    .option('--files <count>', 'files and folders; "none" for no limit')
    .action(async (name: string, options: QuotaOptions) =>
      atWorkbench(line, async (bench) => {
        const { id } = existing(bench, name)
        const change = quotaChange(options)
        const { data: directory } = bench.config
        const quota = await changeQuota({ directory, database: bench.database }, id, change)
        if (Object.keys(change).length > 0) {
          const detail = `${quota.maxBytes ?? 'any'} bytes, ${quota.maxInodes ?? 'any'} files`
          bench.audit.append({ event: 'user.quota', outcome: 'success', subject: id, detail })
        }
        line.print(quotaText(name, quota))
      }),
    )

  user
    .command('disable <username>')
    .description('refuse an account from now on; its files stay')
    .action(async (name: string) =>
      atWorkbench(line, async (bench) => {
        const { id } = existing(bench, name)
        bench.accounts.disable(id)
        await bench.store.revokeGrantsOf(id, line.clock().getTime())
        bench.audit.append({ event: 'user.disable', outcome: 'success', subject: id })
        line.print(`Disabled ${name}. All its devices and browsers are signed out.`)
      }),
    )

  user
    .command('enable <username>')
    .description('let a disabled account in again')
    .action(async (name: string) =>
      atWorkbench(line, async (bench) => {
        const { id } = existing(bench, name)
        bench.accounts.enable(id)
        bench.audit.append({ event: 'user.enable', outcome: 'success', subject: id })
        line.print(`Enabled ${name}.`)
      }),
    )

  user
    .command('remove <username>')
    .description('remove an account and all its files; the server must be stopped')
    .option('--delete-files', 'say that the files shall go, too')
    .action(async (name: string, { deleteFiles }: { deleteFiles?: true }) =>
      atWorkbench(line, async (bench) => {
        const { id } = existing(bench, name)
        if (deleteFiles === undefined) {
          throw new AccountError(
            `this deletes all files of ${name}: say so with --delete-files, or keep them with "coffer-server user disable ${name}"`,
          )
        }
        const lock = lockDataDirectory(bench.config.data)
        try {
          bench.accounts.disable(id)
          await bench.store.revokeGrantsOf(id, line.clock().getTime())
          const { data: directory } = bench.config
          const storage = await openStorage({ directory, database: bench.database })
          const count = await removeFiles(await storage.tree(id))
          bench.accounts.remove(id)
          bench.audit.append({
            event: 'user.remove',
            outcome: 'success',
            subject: id,
            detail: name,
          })
          await storage.durable()
          await storage.close()
          line.print(`Removed ${name} and ${count} files and folders.`)
        } finally {
          lock.release()
        }
      }),
    )
}

export function existing({ accounts }: Workbench, name: string): User {
  const user = accounts.find(username(name))
  if (user !== undefined) return user
  throw new AccountError(`there is no account ${name}: "coffer-server user list" shows all`)
}

async function chosenPassword(
  line: CommandLine,
  options: PasswordOption,
): Promise<{ password: NewPassword; drawn: boolean }> {
  if (options.passwordStdin === undefined) return { password: oneTimePassword(), drawn: true }
  const [first = ''] = (await line.readInput()).split(/\r?\n/, 1)
  return { password: newPassword(first), drawn: false }
}
