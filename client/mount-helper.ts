import { CommandError } from './command-error.js'

/**
 * What mount(8) passes to a helper named `mount.coffer` ("mount.TYPE SPEC DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]"), as arguments of
 * `coffer mount`. A line of /etc/fstab:
 *
 *     https://files.example.org  /mnt/files  coffer  _netdev,nofail,allow_other,uid=1000,gid=1000  0 0
 */
export function mountHelperArguments(parameters: readonly string[]): string[] | 'nothing' {
  const places: string[] = []
  const flags: string[] = []
  let pretends = false
  for (let at = 0; at < parameters.length; at++) {
    const parameter = parameters[at] ?? ''
    if (parameter === '-o') flags.push(...mountFlags(parameters[++at] ?? ''))
    else if (parameter === '-t' || parameter === '-N') at++
    else if (!/^-[sfnv]+$/.test(parameter)) places.push(parameter)
    else if (parameter.includes('f')) pretends = true
  }
  const [spec, directory, ...others] = places
  if (spec === undefined || directory === undefined || others.length > 0) {
    throw new CommandError('Usage: mount.coffer URL DIRECTORY [-o OPTIONS]')
  }
  if (pretends) return 'nothing'
  // Nobody can log in while a machine starts, but its network may come late.
  return ['mount', '--no-login', '--wait', '60', ...flags, spec, directory]
}

/** Options of ours; the value follows where the flag takes one. */
const OURS: Readonly<Record<string, { flag: string; takesValue: boolean }>> = {
  ro: { flag: '--read-only', takesValue: false },
  allow_other: { flag: '--allow-other', takesValue: false },
  uid: { flag: '--uid', takesValue: true },
  gid: { flag: '--gid', takesValue: true },
  umask: { flag: '--umask', takesValue: true },
  locks: { flag: '--locks', takesValue: true },
  noexec: { flag: '--no-exec', takesValue: false },
  remote: { flag: '--remote', takesValue: true },
  ca: { flag: '--ca', takesValue: true },
  fingerprint: { flag: '--fingerprint', takesValue: true },
  limit_rate: { flag: '--limit-rate', takesValue: true },
  cache_dir: { flag: '--cache-dir', takesValue: true },
  cache_size: { flag: '--cache-size', takesValue: true },
  write_back: { flag: '--write-back', takesValue: false },
  write_back_size: { flag: '--write-back-size', takesValue: true },
  log: { flag: '--log', takesValue: true },
  wait: { flag: '--wait', takesValue: true },
}

/** Options of mount(8) and fstab(5) that are for others than the helper, or that hold anyway. */
const STANDARD =
  /^(defaults|_netdev|(no)?(auto|fail|user|users|owner|group|suid|dev|exec|atime|diratime|relatime|strictatime|lazytime|iversion|mand)|rw|a?sync|dirsync|silent|loud|default_permissions|user=.*|comment=.*|x-.*|X-.*|)$/

function mountFlags(given: string): string[] {
  const options = given.split(',')
  // As in mount(8) the last one counts: "user" comes with "noexec", which "user,exec" takes back.
  const mayRun = options.lastIndexOf('exec') > options.lastIndexOf('noexec')
  return options.flatMap((option, at) => {
    if (option === 'noexec' && (mayRun || options.indexOf(option) < at)) return []
    const [name = '', ...rest] = option.split('=')
    const ours = OURS[name]
    if (ours?.takesValue && rest.length > 0) return [ours.flag, rest.join('=')]
    if (ours !== undefined && !ours.takesValue && rest.length === 0) return [ours.flag]
    if (ours === undefined && STANDARD.test(option)) return []
    if (option === 'remount') {
      throw new CommandError('a mount keeps its options: unmount it, and mount it anew with others')
    }
    if (ours !== undefined) {
      const form = ours.takesValue ? `with a value: ${name}=…` : 'without a value'
      throw new CommandError(`the option "${option}" of mount.coffer goes ${form}`)
    }
    throw new CommandError(
      `mount.coffer does not know the option "${option}"; it knows ${Object.keys(OURS).join(', ')} and those of mount(8)`,
    )
  })
}
