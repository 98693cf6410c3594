import { hostname } from 'node:os'
import type { Command } from 'commander'
import { openLog } from '../log.js'
import { serve } from '../serve.js'
import type { CommandLine } from './workbench.js'

/** How the process is told to stop or to look at its certificate again, and tells that it serves. */
export interface Signals {
  onStop(listener: () => void): void
  onReload(listener: () => void): void
  ready(): void
}

/** serve: the default. Resolves once the server has stopped. */
export function serveCommand(program: Command, line: CommandLine, signals: Signals): void {
  program
    .command('serve', { isDefault: true })
    .description('serve files, sign-in and tokens (the default)')
    .allowExcessArguments()
    .action(async (_flags: object, { args: [unknown] }: Command) => {
      // Being the default, it is given what is the name of no command.
      if (unknown !== undefined) program.error(`error: unknown command '${unknown}'`)
      const config = line.config()
      const log = openLog(config.logLevel)
      const server = await serve(config, {
        clock: line.clock,
        log,
        machine: hostname(),
        uid: line.uid,
        print: line.print,
      })
      signals.onReload(() => void server.reloadCertificate())
      signals.ready()
      await new Promise<void>((resolve) => signals.onStop(resolve))
      await server.stop()
      line.print('Coffer has stopped.')
    })
}
