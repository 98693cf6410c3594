// Runs the same work on a local disk, on Coffer, and on sshfs and rclone where they are installed, and prints rates and ratios.
//
//   make bench                 all of it
//   make bench ONLY=coffer     this peer, beside the local disk
//   make bench ROWS=sequential only rows whose name has this in it (a row may need what an earlier one made)
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { run } from '../support/process.js'
import { realTree } from '../support/tree.js'
import { PEERS, type Peer } from './peers.js'
import { ROWS as ALL_ROWS, type Source } from './workload.js'

const [asked, rows] = parsed(process.argv.slice(2))
const ROWS = ALL_ROWS.filter(({ name }) => rows.test(name))

function parsed(parameters: readonly string[]): [peers: readonly string[], rows: RegExp] {
  const isRows = (parameter: string): boolean => parameter.startsWith('--rows=')
  const [pattern = ''] = parameters.filter(isRows).map((text) => text.slice('--rows='.length))
  return [parameters.filter((parameter) => !isRows(parameter)), new RegExp(pattern, 'i')]
}

/** A rate, or why there is none. */
type Result = number | string

async function measured(peer: Peer, source: Source): Promise<Map<string, Result>> {
  const results = new Map<string, Result>()
  const dir = join(peer.directory, 'bench')
  await mkdir(dir)
  for (const row of ROWS) {
    try {
      if (row.cold) {
        await peer.remount()
        await writeFile('/proc/sys/vm/drop_caches', '3').catch(() => {})
      }
      const began = process.hrtime.bigint()
      const amount = row.run(dir, source)
      results.set(row.name, amount / (Number(process.hrtime.bigint() - began) / 1e9))
    } catch (error) {
      results.set(row.name, error instanceof Error ? error.message.slice(0, 60) : String(error))
    }
  }
  return results
}

function shown(result: Result | undefined): string {
  if (typeof result === 'number') return result < 10 ? result.toFixed(2) : result.toFixed(0)
  return result === undefined ? '–' : 'fails'
}

const { path } = await realTree()
const work = await temporaryDirectory('bench')
const archive = join(work, 'tree.tar')
// symlinks are left out: some peers have none
await run('sh', [
  '-ec',
  'cd "$0" && find . -type f -print0 | tar cf "$1" --null -T -',
  path,
  archive,
])
const files = (await run('tar', ['tf', archive])).trim().split('\n').length
const source: Source = { directory: path, archive, files }

const names = Object.keys(PEERS).filter(
  (name) => asked.length === 0 || name === 'local' || asked.includes(name),
)
const columns = new Map<string, Map<string, Result>>()
for (const name of names) {
  const place = join(work, name)
  await mkdir(place)
  const peer = await PEERS[name]?.(place)
  if (peer === undefined) {
    process.stderr.write(`${name} is not installed: left out\n`)
    continue
  }
  process.stderr.write(`${name} …\n`)
  try {
    columns.set(name, await measured(peer, source))
  } finally {
    await peer.close().catch((error: unknown) => process.stderr.write(`${name}: ${error}\n`))
  }
}
await removeDirectory(work)

const peers = [...columns.keys()]
const line = (cells: readonly string[]): void => {
  const [first = '', ...rest] = cells
  process.stdout.write(`${first.padEnd(38)}${rest.map((cell) => cell.padStart(12)).join('')}\n`)
}
line(['', ...peers, 'to the best', 'to local'])
for (const row of ROWS) {
  const results = peers.map((peer) => columns.get(peer)?.get(row.name))
  const rate = (name: string): number => {
    const result = columns.get(name)?.get(row.name)
    return typeof result === 'number' ? result : 0
  }
  const best = Math.max(...peers.filter((p) => p !== 'local' && p !== 'coffer').map(rate))
  const ratio = (other: number): string =>
    other > 0 && rate('coffer') > 0 ? `${(rate('coffer') / other).toFixed(2)}×` : '–'
  line([`${row.name} (${row.unit})`, ...results.map(shown), ratio(best), ratio(rate('local'))])
}
for (const peer of peers)
  for (const [name, result] of columns.get(peer) ?? [])
    if (typeof result === 'string') process.stdout.write(`${peer} fails at "${name}": ${result}\n`)
