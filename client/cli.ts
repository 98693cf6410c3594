import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { byteSizeFrom } from './byte-size.js'
import { CommandError } from './command-error.js'
import type { DamagedFlags } from './commands/damaged.js'
import type { LoginFlags, TrustFlags } from './commands/login.js'
import type { MountFlags } from './commands/mount.js'
import type { StatusFlags } from './commands/status.js'
import type { Surroundings } from './commands/surroundings.js'
import type { UnmountFlags } from './commands/unmount.js'
import { completion, SHELLS } from './completion/shells.js'
import { showExamples } from './examples.js'
import { parseFingerprint } from './http/fingerprint.js'
import { MOUNT_COMMAND } from './mount/background.js'
import { refuseHanging } from './own-places.js'
import { parseRateLimit } from './remote/rate-limit.js'

/** What a command needs is loaded when it is given: `coffer status` starts twice as fast without the rest. */
const COMMANDS = {
  damaged: () => import('./commands/damaged.js'),
  login: () => import('./commands/login.js'),
  mount: () => import('./commands/mount.js'),
  status: () => import('./commands/status.js'),
  unit: () => import('./commands/unit.js'),
  unmount: () => import('./commands/unmount.js'),
}

/** The command line. `finish` is told the exit status of a command that has one of its own. */
export function commandLine(
  surroundings: () => Surroundings,
  serveMount: () => Promise<number>,
  finish: (status: number) => void,
): Command {
  const ready = async (): Promise<Surroundings> => {
    const found = surroundings()
    await refuseHanging(found.config)
    return found
  }
  const program = new Command('coffer')
    .description('Mounts your files on a Coffer server as a local directory.')
    .showHelpAfterError('(coffer --help shows how)')

  trustOptions(program.command('login'))
    .description('log in to a server in the browser')
    .argument('[url]', 'the server (default: $COFFER_SERVER, or https://localhost:8443)')
    .option('--read-only', 'ask for the right to read only')
    .option('--dpop', 'fail if the login cannot be bound to a key')
    .option('--no-dpop', 'do not bind the login to a key: whoever has its tokens has the login')
    .option('--device', 'log in by a code that you enter on another device')
    .option('--device-name <name>', 'what your account page calls this login (default: the host)')
    .action(async (url: string | undefined, flags: LoginFlags) => {
      const { loginCommand } = await COMMANDS.login()
      await loginCommand(url, flags, await ready())
    })

  trustOptions(program.command('logout'))
    .description('end the login at the server and forget it here')
    .argument('[url]', 'the server')
    .action(async (url: string | undefined, flags: TrustFlags) => {
      const { logoutCommand } = await COMMANDS.login()
      await logoutCommand(url, flags, await ready())
    })

  trustOptions(program.command('mount'))
    .description('mount a server on an empty directory; logs in first if needed')
    .usage('[options] [url] <directory>')
    .argument('<directory...>', 'where to mount; before it the server, unless it is the usual one')
    .option('--remote <path>', 'mount this folder of the server', '/')
    .option('--read-only', 'nothing can be changed through the mount')
    .option('--no-exec', 'nothing on the mount can be run as a program')
    .option('--allow-other', 'other users of this machine may use the mount, as its modes allow')
    .option('--uid <number>', 'whose the files are shown as (default: you)', userNumber)
    .option('--gid <number>', 'whose group the files are shown as (default: yours)', userNumber)
    .option('--umask <mask>', 'take these permissions away from what is shown, like 077', umask)
    .addOption(
      new Option('--locks <reach>', 'whether locks (flock, fcntl) hold for other machines, too')
        .choices(['shared', 'local'])
        .default('shared'),
    )
    .option(
      '--limit-rate <rate>',
      'bytes a second, like 500k, or UPLOAD:DOWNLOAD',
      option(parseRateLimit),
    )
    .option('--cache-dir <directory>', 'keep what is read in this local directory too')
    .option(
      '--cache-size <size>',
      'how much may be kept there (default: 10G)',
      option(byteSizeFrom('16M')),
    )
    .option('--write-back', 'close files before the server has them; a local journal keeps them')
    .option(
      '--write-back-size <size>',
      'room for the journal (default: 1G)',
      option(byteSizeFrom('1M')),
    )
    .option('--dpop', 'if a login is needed: fail if it cannot be bound to a key')
    .option('--no-dpop', 'if a login is needed: do not bind it to a key')
    .option('--device', 'if a login is needed: by a code that you enter on another device')
    .option('--device-name <name>', 'if a login is needed: what your account page calls it')
    .option('--no-login', 'fail if a login is needed, instead of starting one')
    .addOption(
      new Option('--wait <seconds>', 'how long to wait for a server that does not answer')
        .argParser(seconds)
        .default(4),
    )
    .option('--foreground', 'stay in the foreground and log to the terminal')
    .option('--log <file>', 'log to this file')
    .addOption(
      new Option('--binding <name>', 'how to talk to the kernel')
        .choices(['kernel', 'fuse-native'])
        .default('kernel'),
    )
    .action(async (places: string[], flags: MountFlags) => {
      const { mountCommand } = await COMMANDS.mount()
      finish(await mountCommand(places, flags, await ready()))
    })

  program
    .command('unmount')
    .alias('umount')
    .description('send what is still to be sent, then unmount')
    .argument('<directory>')
    .option(
      '--force',
      'do not wait; says what is lost and what a journal keeps; programs lose their files',
    )
    .action(async (directory: string, flags: UnmountFlags) => {
      const { unmountCommand } = await COMMANDS.unmount()
      await unmountCommand(directory, flags, await ready())
    })

  program
    .command('status')
    .description('show mounts, connections, logins and what is still to be sent')
    .option('--json', 'for programs')
    .option('--watch', 'show it again every second, until Ctrl-C')
    .action(async (flags: StatusFlags) => {
      const { statusCommand } = await COMMANDS.status()
      finish(await statusCommand(flags, await ready()))
    })

  program
    .command('list')
    .description('list the mounts, one a line')
    .action(async () => (await COMMANDS.status()).listCommand(await ready()))

  program
    .command('damaged')
    .description('show what the local disk has damaged of the journals of --write-back')
    .option('--remove', 'and remove it: what could be read of it was sent')
    .action(async (flags: DamagedFlags) => {
      const { damagedCommand } = await COMMANDS.damaged()
      await damagedCommand(flags, await ready())
    })

  program
    .command('unit')
    .description("print a unit for systemd's user manager that keeps a mount")
    .argument('<url>', 'the server')
    .argument('<directory>')
    .action(async (url: string, directory: string) => {
      const { unitCommand } = await COMMANDS.unit()
      await unitCommand(url, directory, surroundings())
    })

  program
    .command('completion')
    .description('print a script that completes commands and options')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: string) => surroundings().terminal.print(completion(program, shell)))

  program.command(MOUNT_COMMAND, { hidden: true }).action(async () => finish(await serveMount()))
  showExamples(program)
  return program.addHelpText('after', ENVIRONMENT)
}

function trustOptions(command: Command): Command {
  return command
    .option('--ca <file>', 'trust this certificate authority (PEM)')
    .option(
      '--fingerprint <sha256>',
      'trust the certificate with this SHA-256 fingerprint',
      option(parseFingerprint),
    )
}

/** What such a parser refuses is told with the name of its option and with what was given. */
function option<T>(parse: (input: string) => T): (input: string) => T {
  return (input) => {
    try {
      return parse(input)
    } catch (error) {
      throw error instanceof CommandError ? new InvalidArgumentError(error.message) : error
    }
  }
}

const wholeNumber = (most: number, what: string) => (input: string) => {
  if (/^\d{1,10}$/.test(input) && Number(input) <= most) return Number(input)
  throw new InvalidArgumentError(`It must be ${what}, from 0 to ${most}.`)
}
/** The greatest means "nobody" to chown(2). */
const userNumber = wholeNumber(2 ** 32 - 2, 'the number of a user or group')
const seconds = wholeNumber(86_400, 'whole seconds')

function umask(input: string): number {
  if (/^0?[0-7]{1,3}$/.test(input)) return Number.parseInt(input, 8)
  throw new InvalidArgumentError('It must be an octal mask of permissions such as 077.')
}

const ENVIRONMENT = `
Environment: COFFER_SERVER, COFFER_CA, COFFER_DATA, COFFER_CONFIG_DIR, COFFER_STATE_DIR, COFFER_TOKEN_STORE (auto, keyring, file)`
