import { join } from 'node:path'
import type { Command } from 'commander'
import { refuseDataDirectory } from '../data-directory.js'
import { WrongSecret } from '../secret.js'
import { backup, type ChangedContent } from '../storage/backup/backup.js'
import { restore } from '../storage/backup/restore.js'
import { unfinishedRestore } from '../storage/backup/unfinished-restore.js'
import { atWorkbench, type CommandLine } from './workbench.js'

/** What a server is beside its database and contents: without these nobody can sign in to it again. */
const SERVER_FILES = ['secret', join('tls', 'ca.pem'), join('tls', 'ca-key.pem')]

const CHANGED: { readonly [where in ChangedContent['where']]: string } = {
  backup: 'in the backup, and was copied again',
  server: 'on the disk of the server; the backup has it as it was',
  both: 'in the backup and on the disk of the server; the backup now has what the server has',
}

/** backup, restore */
export function backupCommands(program: Command, line: CommandLine): void {
  program
    .command('backup <directory>')
    .description(
      'copy everything as it is now, also while serving; again into the same: what is new',
    )
    .option(
      '--verify',
      'read what is there already, too, and find what a disk has changed; status 1 when something has',
    )
    .action(async (to: string, { verify }: { verify?: true }) =>
      atWorkbench(line, async ({ config, database, audit }) => {
        const { contents, copied, bytes } = await backup({
          directory: config.data,
          database,
          to,
          also: SERVER_FILES,
          clock: line.clock,
          ...(verify && {
            verify: ({ ino, where }) => {
              line.print(`The content of inode ${ino} has changed ${CHANGED[where]}.`)
              line.fail(1)
            },
          }),
        })
        audit.append({ event: 'backup', outcome: 'success', detail: `${contents} contents` })
        line.print(
          `Backed up ${contents} contents, ${copied} of them new (${bytes} bytes), and the database, which has all small files.`,
        )
        if (config.secret !== undefined || config.secretFile !== undefined) {
          line.print(
            'The secret is not in it, because it is not in the data directory: keep it, too.',
          )
        }
      }),
    )

  program
    .command('restore <directory>')
    .description('make the data directory from a backup, and prove it; everybody signs in again')
    .action(async (from: string) => {
      const { data } = line.config()
      if (unfinishedRestore(data) === undefined) refuseDataDirectory(data, line.uid)
      const { contents, bytes } = await restore(from, data, line.clock)
      line.print(`Restored ${contents} contents (${bytes} bytes) to ${data}. Everything agrees.`)
      await atWorkbench(line, async ({ audit }) => {
        audit.append({ event: 'restore', outcome: 'success', detail: `${contents} contents` })
      }).catch((error) => {
        if (!(error instanceof WrongSecret)) throw error
        line.print(`The audit log does not say so: ${error.message}`)
      })
    })
}
