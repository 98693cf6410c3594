import type { Command } from 'commander'
import { type Lock, lockDataDirectory } from '../database/lock.js'
import { fsck, type Problem } from '../storage/maintenance/fsck.js'
import { atWorkbench, type CommandLine } from './workbench.js'

/** What is "repaired" of these is that metadata agree with what is left. */
const LOSSES: ReadonlySet<Problem> = new Set([
  'content missing',
  'content too short',
  'small content wrong',
])

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
          let cut = 0
          const { found, repaired } = await fsck({
            directory: config.data,
            database,
            mode: repair ? 'repair' : lock === undefined ? 'serving' : 'check',
            report: ({ problem, text, repaired }) => {
              if (LOSSES.has(problem)) cut += 1
              line.print(`${problem}: ${text}${repaired ? ' (repaired)' : ''}`)
            },
          })
          line.print(summary(found, repaired))
          if (cut > 0) {
            line.print(
              repaired > 0
                ? `${cut} of these are files that were cut to what was left of them: a backup may have the rest.`
                : `${cut} of these are files that --repair cuts to what is left of them: look for the rest in a backup first.`,
            )
          }
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
