import type { Command } from 'commander'
import { type Lock, lockDataDirectory } from '../database/lock.js'
import { fsck } from '../storage/fsck.js'
import { atWorkbench, type CommandLine } from './workbench.js'

/** fsck [--repair]: whether metadata and content agree. */
export function fsckCommand(program: Command, line: CommandLine): void {
  program
    .command('fsck')
    .description('prove that metadata and content agree; status 1 when they do not')
    .option('--repair', 'repair what can be repaired; the server must be stopped')
    .action(async ({ repair }: { repair?: true }) =>
      atWorkbench(line, async ({ config, database }) => {
        const lock = repair ? lockDataDirectory(config.data) : tryLock(config.data)
        try {
          const { found, repaired } = await fsck({
            directory: config.data,
            database,
            mode: repair ? 'repair' : lock === undefined ? 'serving' : 'check',
            report: (finding) =>
              line.print(
                `${finding.problem}: ${finding.text}${finding.repaired ? ' (repaired)' : ''}`,
              ),
          })
          line.print(summary(found, repaired))
          if (found > repaired) line.fail(1)
        } finally {
          lock?.release()
        }
      }),
    )
}

/** Undefined when a server runs: then it can be looked at all the same. */
function tryLock(directory: string): Lock | undefined {
  try {
    return lockDataDirectory(directory)
  } catch {
    return undefined
  }
}

function summary(found: number, repaired: number): string {
  if (found === 0) return 'Everything agrees.'
  const rest = found - repaired
  if (rest === 0) return `${found} problems found, all repaired.`
  return `${found} problems found, ${repaired} repaired. "coffer-server fsck --repair" repairs what can be.`
}
