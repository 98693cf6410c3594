import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where a program is, if it is installed. */
export function installed(...names: readonly string[]): string | undefined {
  const directories = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => directories.map((at) => join(at, name))).find(existsSync)
}

function fuse(): string | undefined {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch {
    return '/dev/fuse is missing or not ours to open: nothing can be mounted here'
  }
  return installed('fusermount3') === undefined && process.geteuid?.() !== 0
    ? 'fusermount3 is missing: install fuse3'
    : undefined
}

/** Why tests that need this cannot run here, or undefined. */
const MISSING = {
  fuse,
  chromium: () => (chromium() === undefined ? 'no Chromium: install chromium' : undefined),
  keyring: () =>
    installed('gnome-keyring-daemon') === undefined || installed('dbus-run-session') === undefined
      ? 'no keyring to start: install gnome-keyring and dbus'
      : undefined,
  git: () => absent('git'),
  rsync: () => absent('rsync'),
  sqlite3: () => absent('sqlite3'),
  zip: () => absent('zip'),
  unzip: () => absent('unzip'),
  python3: () => absent('python3'),
  autoreconf: () => absent('autoreconf'),
  automake: () => absent('automake'),
  curl: () => absent('curl'),
  wget: () => absent('wget'),
  aria2c: () => absent('aria2c'),
  zsh: () => absent('zsh'),
  fish: () => absent('fish'),
  'stress-ng': () => absent('stress-ng'),
  fio: () => absent('fio'),
  dbench: () => absent('dbench'),
  'bonnie++': () => absent('bonnie++'),
  reflinks: () =>
    reflinkFileSystem() === undefined
      ? 'no mkfs.xfs or mkfs.btrfs: install xfsprogs or btrfs-progs'
      : undefined,
  'systemd-analyze': () => absent('systemd-analyze'),
  autofs: () => (existsSync('/dev/autofs') ? undefined : 'this kernel has no autofs'),
  root: () => (process.geteuid?.() === 0 ? undefined : 'this needs root'),
} as const satisfies Record<string, () => string | undefined>

export type Need = keyof typeof MISSING

function absent(name: string): string | undefined {
  return installed(name) === undefined ? `${name} is not installed` : undefined
}

/** The program that makes a file system that can share extents between files. */
export function reflinkFileSystem(): string | undefined {
  return installed('mkfs.xfs', 'mkfs.btrfs')
}

export function chromium(): string | undefined {
  return installed('chromium', 'chromium-browser', 'google-chrome')
}

/**
 * Skips the test (or, in a `before` hook, the suite) where something is missing, and says so on standard error.
 * With COFFER_TEST_REQUIRE=all nothing may be missing: the test fails instead.
 */
export function requires(context: Mocha.Context, ...things: readonly Need[]): void {
  for (const thing of things) {
    const why = MISSING[thing]()
    if (why === undefined) continue
    if (process.env.COFFER_TEST_REQUIRE === 'all') throw new Error(why)
    const what = context.test?.parent?.fullTitle() ?? 'a test'
    process.stderr.write(`SKIPPED: ${what}: ${why}\n`)
    context.skip()
  }
}
