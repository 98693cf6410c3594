import * as fs from 'node:fs'
import { join } from 'node:path'
import { call } from '../fuse/libc.js'

/** A number below the given one. */
export type Pick = (below: number) => number

/** mulberry32: the same seed gives the same test. */
export function random(seed: number): Pick {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'd/a', 'd/e', 'e/b'] as const
const FLAGS = ['r+', 'w+', 'wx+', 'a+'] as const
const OFFSETS = [0, 1, 100, 4095, 4096, 131_071, 250_000] as const
const LENGTHS = [0, 1, 10, 4096, 5000, 140_000] as const
const ATTRIBUTES = ['user.one', 'user.two'] as const
/** RENAME_NOREPLACE, RENAME_EXCHANGE (renameat2(2)) */
const RENAMES = [1, 2] as const
const AT_FDCWD = -100

/** One of the directories in which the same is done. */
export class Side {
  readonly #directory: string
  readonly #open = new Map<number, number>()

  constructor(directory: string) {
    this.#directory = directory
  }

  path(name: string): string {
    return join(this.#directory, name)
  }

  opened(key: number, name: string, flags: string): string {
    this.#open.set(key, fs.openSync(this.path(name), flags))
    return 'open'
  }

  closed(key: number): string {
    const fd = this.fd(key)
    this.#open.delete(key)
    fs.closeSync(fd)
    return 'closed'
  }

  fd(key: number): number {
    return this.#open.get(key) ?? -1
  }

  get keys(): number[] {
    return [...this.#open.keys()]
  }

  close(): void {
    for (const key of this.keys) this.closed(key)
  }

  /** What a step gives: its result, or its errno. */
  outcome(does: Step['does']): unknown {
    try {
      return does(this)
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  }
}

export interface Step {
  readonly what: string
  /** The handle that it opens or closes, if that succeeds. */
  readonly key?: number
  /** What cp and mv ask for before. */
  readonly asks?: Step['does']
  readonly does: (side: Side) => unknown
}

function shown({ size, nlink, mode }: fs.Stats): object {
  return (mode & 0o170000) === 0o040000 ? { mode } : { size, nlink, mode }
}

/** One random step, to be done on all sides. `open` are the handles that are open on all. */
export function randomStep(pick: Pick, open: readonly number[], count: number): Step {
  const oneOf = <T>(values: readonly T[], none: T): T => values[pick(values.length)] ?? none
  const name = oneOf(NAMES, 'a')
  const other = oneOf(NAMES, 'a')
  const key = open[pick(Math.max(1, open.length))] ?? -1
  const second = open[pick(Math.max(1, open.length))] ?? -1
  const offset = oneOf(OFFSETS, 0)
  const length = oneOf(LENGTHS, 0)
  const flags = oneOf(FLAGS, 'r+')
  const attribute = oneOf(ATTRIBUTES, 'user.one')
  const how = oneOf(RENAMES, 1)
  const data = Buffer.alloc(length, `${count} `)
  const asks: Step['does'] = (s) =>
    [name, other].map((one) => s.outcome(() => fs.lstatSync(s.path(one))))
  const onHandles: [string, Step['does'], { asks: Step['does'] }?][] = [
    [`write ${key} ${offset} ${length}`, (s) => fs.writeSync(s.fd(key), data, 0, length, offset)],
    [`append ${key} ${length}`, (s) => fs.writeSync(s.fd(key), data)],
    [`read ${key} ${offset} ${length}`, (s) => bytesAt(s.fd(key), offset, length)],
    [`truncate ${key} ${offset}`, (s) => fs.ftruncateSync(s.fd(key), offset)],
    [`punch ${key} ${offset} ${length}`, (s) => call('fallocate', s.fd(key), 3, offset, length)],
    [`zero ${key} ${offset} ${length}`, (s) => call('fallocate', s.fd(key), 16, offset, length)],
    [
      `copy ${key} ${second} ${length}`,
      (s) => call('copy_file_range', s.fd(key), null, s.fd(second), null, length, 0),
      { asks: (s) => fs.fstatSync(s.fd(key)) },
    ],
    [`fstat ${key}`, (s) => shown(fs.fstatSync(s.fd(key)))],
    [`fsync ${key}`, (s) => fs.fsyncSync(s.fd(key))],
    [`futimes ${key} ${count}`, (s) => fs.futimesSync(s.fd(key), 1, count)],
  ]
  const onNames: typeof onHandles = [
    [`stat ${name}`, (s) => shown(fs.lstatSync(s.path(name)))],
    [`store ${name} ${length}`, (s) => fs.writeFileSync(s.path(name), data)],
    [`text ${name}`, (s) => fs.readFileSync(s.path(name), 'latin1')],
    [`rename ${name} ${other}`, (s) => fs.renameSync(s.path(name), s.path(other)), { asks }],
    [
      `renameat2 ${name} ${other} ${how}`,
      (s) => call('renameat2', AT_FDCWD, s.path(name), AT_FDCWD, s.path(other), how),
      { asks },
    ],
    [`link ${name} ${other}`, (s) => fs.linkSync(s.path(name), s.path(other))],
    [`symlink ${name} ${other}`, (s) => fs.symlinkSync(name, s.path(other))],
    [`readlink ${name}`, (s) => fs.readlinkSync(s.path(name))],
    [`unlink ${name}`, (s) => fs.unlinkSync(s.path(name))],
    [`mkdir ${name}`, (s) => fs.mkdirSync(s.path(name))],
    [`rmdir ${name}`, (s) => fs.rmdirSync(s.path(name))],
    [`chmod ${name}`, (s) => fs.chmodSync(s.path(name), 0o700 | (count & 0o77))],
    [
      `dated ${name} ${count}`,
      (s) => {
        fs.utimesSync(s.path(name), 1, count)
        return fs.statSync(s.path(name)).mtimeMs
      },
    ],
    [
      `setxattr ${name} ${attribute}`,
      (s) => call('setxattr', s.path(name), attribute, `${count}`, `${count}`.length, 0),
    ],
    [`getxattr ${name} ${attribute}`, (s) => attributeOf(s.path(name), attribute)],
    [`removexattr ${name} ${attribute}`, (s) => call('removexattr', s.path(name), attribute)],
    [`list ${name}`, (s) => fs.readdirSync(s.path(name)).sort()],
    ['list', (s) => fs.readdirSync(s.path('.')).sort()],
  ]
  const steps: Step[] = [
    { what: `open ${name} ${flags}`, key: count, does: (s) => s.opened(count, name, flags) },
    { what: `close ${key}`, key, does: (s) => s.closed(key) },
    ...[...onHandles, ...onNames].map(([what, does, more]) => ({ what, does, ...more })),
  ]
  return oneOf(steps, { what: 'nothing', does: () => undefined })
}

function bytesAt(fd: number, offset: number, length: number): string {
  const into = Buffer.alloc(length)
  return String(into.subarray(0, fs.readSync(fd, into, 0, length, offset)))
}

function attributeOf(path: string, name: string): string {
  const value = Buffer.alloc(100)
  return String(value.subarray(0, call('getxattr', path, name, value, value.length)))
}
