import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** One row: what is measured, and how much of it was done. The calls are synchronous, as in most programs. */
export interface Row {
  readonly name: string
  readonly unit: string
  /** Starts on a fresh mount, without any cache. */
  readonly cold: boolean
  /** What it reads in `dir`, where it is cold. */
  readonly of?: string
  /** Works in `dir` and answers the amount; the rate is amount by seconds. */
  run(dir: string, source: Source): number
  /** A file that fsync(2) has put on the server: that many bytes are there now, or the row was not done. */
  readonly synced?: { readonly name: string; readonly bytes: number }
  /** Outside of the time taken. @throws Error if the work was not done as a local disk does it */
  check?(dir: string, source: Source): void
}

/** The tree that is unpacked, walked and searched. */
export interface Source {
  readonly directory: string
  readonly archive: string
  /** The same files as a bare repository of git, where rows clone it. */
  readonly repository?: string
  /** A long file, where rows copy one. */
  readonly piece?: string
  readonly files: number
}

const MEGABYTES = 256
const PIECE = randomBytes(2 ** 20)
const SMALL = 500

const row = (name: string, unit: string, run: Row['run'], more: Partial<Row> = {}): Row => ({
  ...{ name, unit, cold: false, run },
  ...more,
})
const SYNCED = { name: 'big', bytes: MEGABYTES * 2 ** 20 } as const
const cold = (name: string, unit: string, of: string, run: Row['run']): Row =>
  row(name, unit, run, { cold: true, of })

function withFile<T>(path: string, flags: string, use: (fd: number) => T): T {
  const fd = openSync(path, flags)
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function readAll(dir: string): number {
  withFile(join(dir, 'big'), 'r', (fd) => {
    const buffer = Buffer.alloc(2 ** 20)
    let total = 0
    for (let count = -1; count !== 0; total += count) count = readSync(fd, buffer)
    if (total !== MEGABYTES * 2 ** 20) throw new Error(`${total} bytes came back`)
  })
  return MEGABYTES
}

function readSmall(dir: string): number {
  for (let index = 0; index < SMALL; index++)
    if (readFileSync(join(dir, 'small', `f${index}`)).length !== 4096)
      throw new Error(`f${index} came back short`)
  return SMALL
}

function walk(dir: string, source: Source): number {
  const names = readdirSync(join(dir, 'tree'), { recursive: true }) as string[]
  for (const name of names) lstatSync(join(dir, 'tree', name))
  if (names.length < source.files) throw new Error(`only ${names.length} entries`)
  return names.length
}

const sh = (script: string, cwd: string): void => {
  execFileSync('sh', ['-ec', script], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** tar(1) keeps who may execute what. */
export function checkModes(dir: string, source: Source): void {
  const tree = join(dir, 'tree')
  // Of the source the archive may have only a part.
  let files = 0
  for (const name of readdirSync(tree, { recursive: true }) as string[]) {
    const { mode } = lstatSync(join(tree, name))
    if ((mode & 0o170000) !== 0o100000) continue
    files += 1
    const isProgram = (lstatSync(join(source.directory, name)).mode & 0o100) !== 0
    if (isProgram && (mode & 0o100) === 0) throw new Error('modes are lost')
  }
  if (files !== source.files) throw new Error(`${files} files of ${source.files} are there`)
}

/** In this order: later rows use what earlier ones made. */
export const ROWS: readonly Row[] = [
  row(
    'sequential write',
    'MB/s',
    (dir) => {
      withFile(join(dir, 'big'), 'w', (fd) => {
        for (let written = 0; written < MEGABYTES; written++) writeSync(fd, PIECE)
        fsyncSync(fd)
      })
      return MEGABYTES
    },
    { synced: SYNCED },
  ),
  row('4 KiB changes in a large file', '/s', (dir) => {
    withFile(join(dir, 'big'), 'r+', (fd) => {
      for (let index = 0; index < 50; index++) writeSync(fd, PIECE, 0, 4096, index * 4 * 2 ** 20)
      fsyncSync(fd)
    })
    return 50
  }),
  cold('sequential read, cold', 'MB/s', 'big', readAll),
  row('sequential read, warm', 'MB/s', readAll),
  cold('random 4 KiB reads, cold', '/s', 'big', (dir) => {
    withFile(join(dir, 'big'), 'r', (fd) => {
      const buffer = Buffer.alloc(4096)
      for (let index = 0; index < 500; index++)
        readSync(fd, buffer, 0, 4096, ((index * 7919) % (MEGABYTES * 256 - 1)) * 4096)
    })
    return 500
  }),
  row('create 4 KiB files', '/s', (dir) => {
    mkdirSync(join(dir, 'small'))
    for (let index = 0; index < SMALL; index++)
      writeFileSync(join(dir, 'small', `f${index}`), PIECE.subarray(0, 4096))
    return SMALL
  }),
  cold('read 4 KiB files, cold', '/s', 'small', readSmall),
  row('read 4 KiB files, warm', '/s', readSmall),
  row(
    'untar',
    'files/s',
    (dir, source) => {
      mkdirSync(join(dir, 'tree'))
      sh(`tar xf "${source.archive}" -C tree`, dir)
      return source.files
    },
    { check: checkModes },
  ),
  cold('stat walk, cold', '/s', 'tree', walk),
  row('stat walk, warm', '/s', walk),
  cold('grep -r, cold', 'files/s', 'tree', (dir, source) => {
    sh('grep -rc zzznotfound tree || true', dir)
    return source.files
  }),
  row('git init, add, commit', '/s', (dir) => {
    sh(
      'git init -q repo && cp -R tree/lib repo/ && cd repo && git add -A && git -c user.name=a -c user.email=a@b commit -qm x',
      dir,
    )
    return 1
  }),
  row('git status, warm', '/s', (dir) => {
    sh('cd repo && git status --porcelain && git status --porcelain', dir)
    return 2
  }),
  row('SQLite transactions', '/s', (dir) => {
    const inserts = Array.from({ length: 50 }, (_, index) => `insert into t values(${index});`)
    sh(`sqlite3 db "create table t(a); ${inserts.join(' ')}"`, dir)
    return 50
  }),
  row('rm -rf', 'files/s', (dir, source) => {
    sh('rm -rf tree', dir)
    return source.files
  }),
]
