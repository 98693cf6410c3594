import * as fs from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Machine, machine } from '../../support/mount.js'
import { requires } from '../../support/requires.js'
import { startServer, type TestServer } from '../../support/server.js'
import { call } from '../fuse/libc.js'
import { random, randomStep, Side } from './random-steps.js'

/** Operations for each seed; the full run is COFFER_TEST_OPERATIONS=100000. */
const OPERATIONS = Number(process.env.COFFER_TEST_OPERATIONS ?? 1000)
const FIRST_SEED = Number(process.env.COFFER_TEST_SEED ?? 1)
const SEEDS = [FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2]
/** Handles open at a time. */
const MOST_OPEN = 6
const LAST_STEPS = 30
const TIMEOUT = 120_000 + OPERATIONS * 20

const LOCK_EX = 2
const LOCK_UN = 8

/** What lets a failure be understood. */
class Trail {
  readonly #steps: string[] = []

  add(step: string): void {
    this.#steps.push(step)
    if (this.#steps.length > LAST_STEPS) this.#steps.shift()
  }

  toString(): string {
    return this.#steps.join('\n')
  }
}

function folder(directory: string, seed: number): string {
  const own = join(directory, `seed-${seed}`)
  fs.mkdirSync(own, { recursive: true })
  return own
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

    for (const seed of SEEDS) {
      it(`give the same, step by step (seed ${seed})`, () => {
        const pick = random(seed)
        const onMount = new Side(folder(mount, seed))
        const onDisk = new Side(folder(local, seed))
        const trail = new Trail()
        for (let count = 0; count < OPERATIONS; count++) {
          const { what, does } = randomStep(pick, onDisk.keys, count)
          trail.add(`${count} ${what}`)
          const expected = onDisk.outcome(does)
          expect(onMount.outcome(does), `${trail}`).to.deep.equal(expected)
          if (onDisk.keys.length > MOST_OPEN) {
            const oldest = onDisk.keys[0] ?? -1
            for (const side of [onMount, onDisk]) side.closed(oldest)
          }
        }
        for (const side of [onMount, onDisk]) side.close()
      }).timeout(TIMEOUT)
    }
  })
}

/** A machine's turn ends with what fsync(2) and a lock promise: whoever has the lock next sees everything. */
class Turns {
  readonly #sides: readonly Side[]
  readonly #locks: readonly number[]
  #now = 0

  constructor(sides: readonly Side[], lock: string) {
    this.#sides = sides
    this.#locks = sides.map((side) => fs.openSync(side.path(lock), 'a+'))
    call('flock', this.#locks[0], LOCK_EX)
  }

  get now(): number {
    return this.#now
  }

  pass(): void {
    const [side, lock] = [this.#sides[this.#now], this.#locks[this.#now]]
    for (const key of side?.keys ?? []) fs.fsyncSync(side?.fd(key) ?? -1)
    call('flock', lock, LOCK_UN)
    this.#now = (this.#now + 1) % this.#sides.length
    call('flock', this.#locks[this.#now], LOCK_EX)
  }

  end(): void {
    for (const lock of this.#locks) fs.closeSync(lock)
  }
}

describe('random operations on two mounts in turn, and on a local directory', () => {
  let server: TestServer
  const machines: Machine[] = []
  const mounts: string[] = []
  let local: string

  before(async function () {
    this.timeout(60_000)
    requires(this, 'fuse')
    server = await startServer()
    for (let index = 0; index < 2; index++) {
      const home = await machine(server)
      machines.push(home)
      mounts.push((await home.mount()).directory)
    }
    local = await temporaryDirectory('local')
  })
  after(async function () {
    this.timeout(60_000)
    for (const home of machines) await home.remove()
    await server?.remove()
    if (local !== undefined) await removeDirectory(local)
  })

  for (const seed of SEEDS) {
    it(`give the same, step by step (seed ${seed})`, () => {
      const pick = random(seed)
      const onMounts = mounts.map((directory) => new Side(folder(directory, seed)))
      const onDisk = new Side(folder(local, seed))
      const turns = new Turns(onMounts, '../lock')
      const trail = new Trail()
      try {
        for (let count = 0; count < OPERATIONS; count++) {
          if (pick(8) === 0) turns.pass()
          const here = onMounts[turns.now]
          if (here === undefined) throw new Error('nobody has the turn')
          const { what, asks, does } = randomStep(pick, here.keys, count)
          trail.add(`${count} on ${turns.now}: ${what}`)
          // What another machine did is known here, but not all of it to the kernel, until a program asks. It cuts and refuses
          // copies by the size that it was told last. And a directory that moved has its old name there still, expired; at its
          // new one the kernel cannot find it while it renames between directories (ESTALE: __d_unalias() in fs/dcache.c).
          if (asks !== undefined) here.outcome(asks)
          const expected = onDisk.outcome(does)
          expect(here.outcome(does), `${trail}`).to.deep.equal(expected)
          if (here.keys.length > MOST_OPEN) {
            const oldest = here.keys[0] ?? -1
            for (const side of [here, onDisk]) side.closed(oldest)
          }
          // What another machine removed is ESTALE in time (docs/mount.md), where a local file stays.
          for (const there of onMounts) {
            if (there === here) continue
            for (const key of there.keys.filter(
              (held) => fs.fstatSync(onDisk.fd(held)).nlink === 0,
            )) {
              for (const side of [there, onDisk]) side.closed(key)
            }
          }
        }
      } finally {
        // Otherwise the next seed waits for the lock for ever.
        turns.end()
      }
      for (const side of [...onMounts, onDisk]) side.close()
    }).timeout(TIMEOUT)
  }
})
