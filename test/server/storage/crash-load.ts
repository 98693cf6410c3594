/**
 * A process to be killed: opens the engine and works in it as fast as it can, several operations at a time. Each begins
 * and ends with a line in a log, and with a byte on standard output.
 *
 * Usage: crash-load.ts DIRECTORY SEED LOG
 */
import { openSync, writeSync } from 'node:fs'
import { fileName } from '../../../server/storage/path.js'
import { load, perform } from './model.js'
import { nextOperation, random } from './next-operation.js'
import { temporaryStorage } from './temporary.js'

const [directory = '', seed = '0', log = ''] = process.argv.slice(2)
const out = openSync(log, 'a')
// Small contents move between database and files from round to round.
const smallBytes = [0, 16_384, 5000][Number(seed) % 3] ?? 0
const { storage } = await temporaryStorage({ directory, smallBytes })
const tree = await storage.tree('ann')

async function work(worker: number): Promise<void> {
  const root = (await tree.lookup(tree.root, fileName(`w${worker}`))).ino
  const model = await load(tree, root)
  const pick = random(Number(seed) * 1000 + worker)
  for (;;) {
    const operation = nextOperation(pick, model.paths())
    writeSync(out, `${worker} start ${JSON.stringify(operation)}\n`)
    const outcome = await perform(tree, root, operation)
    model.apply(operation)
    if (pick(10) === 0) await storage.durable()
    writeSync(out, `${worker} end ${outcome}\n`)
    writeSync(1, '.')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

await Promise.all([0, 1, 2, 3].map(work))
