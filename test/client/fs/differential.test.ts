import * as fs from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Machine, machine } from '../../support/mount.js'
import { requires } from '../../support/requires.js'
import { startServer, type TestServer } from '../../support/server.js'
import { call } from '../fuse/libc.js'

/** mulberry32: the same seed gives the same test. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const NAMES = ['a', 'b', 'c', 'd', 'e']
const FLAGS = ['r+', 'w+', 'wx+', 'a+'] as const
const OFFSETS = [0, 1, 100, 4095, 4096, 131_071, 250_000]
const LENGTHS = [0, 1, 10, 4096, 5000, 140_000]

/** One of two directories in which the same is done. */
class Side {
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

  /** What a step gives: its result, or its errno. */
  outcome(step: (side: Side) => unknown): unknown {
    try {
      return step(this)
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  }
}

function shown({ size, nlink, mode }: fs.Stats): object {
  return (mode & 0o170000) === 0o100000 ? { size, nlink, mode } : { mode }
}

/** One random step, to be done on both sides. `open` are the handles that are open on both. */
function step(
  pick: (below: number) => number,
  open: number[],
  count: number,
): [string, (side: Side) => unknown] {
  const name = NAMES[pick(NAMES.length)] ?? ''
  const other = NAMES[pick(NAMES.length)] ?? ''
  const key = open[pick(Math.max(1, open.length))] ?? -1
  const second = open[pick(Math.max(1, open.length))] ?? -1
  const offset = OFFSETS[pick(OFFSETS.length)] ?? 0
  const length = LENGTHS[pick(LENGTHS.length)] ?? 0
  const flags = FLAGS[pick(FLAGS.length)] ?? 'r+'
  const data = Buffer.alloc(length, `${count} `)
  const steps: [string, (side: Side) => unknown][] = [
    [`open ${name} ${flags}`, (side) => side.opened(count, name, flags)],
    [`close ${key}`, (side) => side.closed(key)],
    [
      `write ${key} ${offset} ${length}`,
      (side) => fs.writeSync(side.fd(key), data, 0, length, offset),
    ],
    [`append ${key} ${length}`, (side) => fs.writeSync(side.fd(key), data)],
    [
      `read ${key} ${offset} ${length}`,
      (side) => {
        const into = Buffer.alloc(length)
        return String(into.subarray(0, fs.readSync(side.fd(key), into, 0, length, offset)))
      },
    ],
    [`truncate ${key} ${offset}`, (side) => fs.ftruncateSync(side.fd(key), offset)],
    [
      `punch ${key} ${offset} ${length}`,
      (side) => call('fallocate', side.fd(key), 3, offset, length),
    ],
    [
      `zero ${key} ${offset} ${length}`,
      (side) => call('fallocate', side.fd(key), 16, offset, length),
    ],
    [
      `copy ${key} ${second} ${length}`,
      (side) => call('copy_file_range', side.fd(key), null, side.fd(second), null, length, 0),
    ],
    [`fstat ${key}`, (side) => shown(fs.fstatSync(side.fd(key)))],
    [`fsync ${key}`, (side) => fs.fsyncSync(side.fd(key))],
    [`stat ${name}`, (side) => shown(fs.lstatSync(side.path(name)))],
    [`store ${name}`, (side) => fs.writeFileSync(side.path(name), data)],
    [`text ${name}`, (side) => fs.readFileSync(side.path(name), 'latin1')],
    [`rename ${name} ${other}`, (side) => fs.renameSync(side.path(name), side.path(other))],
    [`link ${name} ${other}`, (side) => fs.linkSync(side.path(name), side.path(other))],
    [`unlink ${name}`, (side) => fs.unlinkSync(side.path(name))],
    [`mkdir ${name}`, (side) => fs.mkdirSync(side.path(name))],
    [`rmdir ${name}`, (side) => fs.rmdirSync(side.path(name))],
    [`chmod ${name}`, (side) => fs.chmodSync(side.path(name), 0o600 | (count & 0o77))],
    ['list', (side) => fs.readdirSync(side.path('.')).sort()],
  ]
  return steps[pick(steps.length)] ?? ['list', () => []]
}

for (const flags of [[], ['--write-back']]) {
  describe(`random operations on a mount ${flags.join()} and on a local directory`, () => {
    let server: TestServer
    let home: Machine
    let mount: string
    let local: string

    before(async function () {
      this.timeout(60_000)
      requires(this, 'fuse')
      server = await startServer()
      home = await machine(server)
      mount = (await home.mount({ flags })).directory
      local = await temporaryDirectory('local')
    })
    after(async function () {
      this.timeout(60_000)
      await home?.remove()
      await server?.remove()
      if (local !== undefined) await removeDirectory(local)
    })

    for (const seed of [1, 2, 3]) {
      it(`give the same, step by step (seed ${seed})`, () => {
        const pick = random(seed)
        const sides = [mount, local].map((directory) => {
          const own = join(directory, `seed-${seed}`)
          fs.mkdirSync(own)
          return new Side(own)
        })
        const open: number[] = []
        const trail: string[] = []
        for (let count = 0; count < 1000; count++) {
          const [what, does] = step(pick, open, count)
          trail.push(what)
          const [onMount, onDisk] = sides.map((side) => side.outcome(does))
          expect(onMount, trail.slice(-20).join('\n')).to.deep.equal(onDisk)
          if (onDisk === 'open') open.push(count)
          if (onDisk === 'closed') open.splice(open.indexOf(Number(what.split(' ')[1])), 1)
          if (open.length > 6) {
            const oldest = open.shift() ?? -1
            for (const side of sides) side.closed(oldest)
          }
        }
        for (const key of open) for (const side of sides) side.closed(key)
      }).timeout(120_000)
    }
  })
}
