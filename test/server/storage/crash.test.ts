import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { fileName } from '../../../server/storage/path.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { dump, Model, type Operation } from './model.js'
import { random } from './next-operation.js'
import { temporaryStorage } from './temporary.js'

const ROUNDS = Number(process.env.COFFER_TEST_CRASH_ROUNDS ?? 12)
const SEED = Number(process.env.COFFER_TEST_SEED ?? 1)
const WORKERS = [0, 1, 2, 3]
const LOAD = fileURLToPath(new URL('crash-load.ts', import.meta.url))

describe('Storage after kill -9 at a random moment', () => {
  it(`has all that was acknowledged and nothing half done (${ROUNDS} rounds)`, async () => {
    const directory = await temporaryDirectory('crash')
    const pick = random(SEED)
    let models = WORKERS.map(() => new Model())
    await inStorage(directory, async ({ storage }) => {
      const tree = await storage.tree('ann')
      const attributes = { mode: 0o755, uid: 0, gid: 0 }
      for (const worker of WORKERS) {
        const place = { directory: tree.root, name: fileName(`w${worker}`) }
        await tree.make(place, { type: 'directory' }, attributes, {})
      }
    })
    for (let round = 1; round <= ROUNDS; round += 1) {
      const log = join(directory, `log-${round}`)
      await loadAndKill(directory, SEED * 1000 + round, log, 1 + pick(200))
      const possible = replay(models, await readFile(log, 'utf8'))
      await inStorage(directory, async ({ storage, problems }) => {
        expect(await problems(), `fsck after round ${round}`).to.deep.equal([])
        const tree = await storage.tree('ann')
        models = []
        for (const worker of WORKERS) {
          const root = await tree.lookup(tree.root, fileName(`w${worker}`))
          const found = await dump(tree, root.ino)
          const { before, after, unfinished } = possible[worker] ?? { before: new Model() }
          const isAfter = after !== undefined && found === after.dump()
          const message = `round ${round}, worker ${worker}, unfinished: ${JSON.stringify(unfinished)}`
          if (!isAfter) expect(found, message).to.equal(before.dump())
          models.push(isAfter ? after : before)
        }
      })
    }
    await removeDirectory(directory)
  }).timeout(60_000 + ROUNDS * 20_000)
})

async function inStorage(
  directory: string,
  work: (subject: Awaited<ReturnType<typeof temporaryStorage>>) => Promise<void>,
): Promise<void> {
  const subject = await temporaryStorage({ directory })
  try {
    await work(subject)
  } finally {
    await subject.close()
  }
}

/** Lets the load run until so many operations have ended, and kills it. */
async function loadAndKill(
  directory: string,
  seed: number,
  log: string,
  operations: number,
): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', LOAD, directory, String(seed), log], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let ended = 0
  let complaint = ''
  child.stdout.on('data', (dots: Buffer) => {
    ended += dots.length
    if (ended >= operations) child.kill('SIGKILL')
  })
  child.stderr.on('data', (text: Buffer) => {
    complaint += text
  })
  const [, signal] = await once(child, 'close')
  expect(signal, complaint).to.equal('SIGKILL')
}

interface Possible {
  readonly before: Model
  /** If the unfinished operation happened all the same. */
  readonly after?: Model
  readonly unfinished?: Operation
}

/** What each worker's files must look like by the log. */
function replay(models: readonly Model[], log: string): Possible[] {
  const unfinished = new Map<number, Operation>()
  for (const line of log.split('\n').slice(0, -1)) {
    const [, number, event, rest = ''] = /^(\d) (start|end) (.*)$/.exec(line) ?? []
    const worker = Number(number)
    if (event === 'start') {
      unfinished.set(worker, JSON.parse(rest))
      continue
    }
    const operation = unfinished.get(worker)
    if (operation === undefined) throw new Error(`the log makes no sense: ${line}`)
    expect(models[worker]?.apply(operation), line).to.equal(rest)
    unfinished.delete(worker)
  }
  return models.map((before, worker) => {
    const operation = unfinished.get(worker)
    if (operation === undefined) return { before }
    const after = before.clone()
    after.apply(operation)
    return { before, after, unfinished: operation }
  })
}
