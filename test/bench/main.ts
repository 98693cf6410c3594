// Runs the same work on a local disk, on Coffer, and on sshfs and rclone where they are installed, and prints rates and ratios.
//
//   make bench                 all of it
//   make bench ONLY=coffer     this peer, beside the local disk
//   make bench ROWS=sequential only rows whose name has this in it (a row may need what an earlier one made)
//   make bench RTT=50          work over a long way: so many milliseconds from client to server and back
//   make bench USED=1          in mounts that did all of it twice before; what is to be cold was made through another mount
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { type Running, run, start } from '../support/process.js'
import { realTree } from '../support/tree.js'
import { CutOff, DISTANT_ROWS, distantSource } from './distant-rows.js'
import { PEERS, type Peer, type Way } from './peers.js'
import { ROWS as NEAR_ROWS, type Row, type Source } from './workload.js'

const DISTANT_FILES = 150

const parameters = process.argv.slice(2)
const option = (name: string): string =>
  parameters.find((text) => text.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
const asked = parameters.filter((text) => !text.startsWith('--'))
const rows = new RegExp(option('rows'), 'i')
/** From client to server and back, in milliseconds. */
const rtt = Number(option('rtt'))
const isUsed = option('used') !== ''
const ROWS = (rtt > 0 ? DISTANT_ROWS : NEAR_ROWS).filter(({ name }) => rows.test(name))

/** A rate, one that it is below of, or why there is none. */
type Result = number | { readonly below: number } | string

async function measured(peer: Peer, source: Source): Promise<Map<string, Result>> {
  if (isUsed) for (const name of ['once', 'twice']) await pass(peer, source, name)
  return pass(peer, source, 'bench')
}

async function pass(peer: Peer, source: Source, name: string): Promise<Map<string, Result>> {
  const results = new Map<string, Result>()
  let dir = join(peer.directory, name)
  await mkdir(dir)
  for (const row of ROWS) {
    try {
      if (row.cold) {
        if (isUsed) dir = await unseen(peer, dir, row)
        else await peer.remount()
        await writeFile('/proc/sys/vm/drop_caches', '3').catch(() => {})
      }
      const work = stopwatch()
      const amount = row.run(dir, source)
      const worked = work()
      const isSynced = row.synced === undefined || (await isOnServer(peer, name, row.synced))
      // Over a long way the question is when the server has it.
      const rest = stopwatch()
      if (rtt > 0) await peer.stored?.()
      const seconds = worked + rest()
      row.check?.(dir, source)
      if (!isSynced) throw new Error('fsync(2) returned before the server had the file')
      results.set(row.name, amount / seconds)
    } catch (error) {
      const why = error instanceof Error ? error.message.slice(0, 60) : String(error)
      results.set(row.name, error instanceof CutOff ? { below: error.below } : why)
    }
  }
  return results
}

/** Tells the seconds since it was started. */
function stopwatch(): () => number {
  const began = process.hrtime.bigint()
  return () => Number(process.hrtime.bigint() - began) / 1e9
}

/** What the row reads, copied through another mount: this one has nothing of it. */
async function unseen(peer: Peer, dir: string, { name, of = '' }: Row): Promise<string> {
  if (peer.elsewhere === undefined) throw new Error('there is no other mount')
  const copy = `${basename(dir)}, ${name}`
  const script = 'mkdir "$2" && cp -R "$1" "$2"'
  await peer.elsewhere((theirs) =>
    run('sh', ['-ec', script, 'sh', join(theirs, basename(dir), of), join(theirs, copy)]),
  )
  return join(peer.directory, copy)
}

async function isOnServer(peer: Peer, dir: string, synced: { name: string; bytes: number }) {
  const size = await peer.onServer?.(`${dir}/${synced.name}`)
  return size === undefined || size === synced.bytes
}

function shown(result: Result | undefined): string {
  if (typeof result === 'number') return result < 10 ? result.toFixed(2) : result.toFixed(0)
  if (typeof result === 'object') return `< ${shown(result.below)}`
  return result === undefined ? '–' : 'fails'
}

const lines: Running[] = []
const way: Way = async (port) => {
  if (rtt === 0) return port
  const program = [join(import.meta.dirname, 'delay-line.ts'), String(port), String(rtt / 2)]
  const line = start(process.execPath, ['--import', 'tsx', ...program])
  lines.push(line)
  const [, near] = await line.printed(/on port (\d+)/)
  return Number(near)
}

async function nearSource(tree: string, work: string): Promise<Source> {
  const archive = join(work, 'tree.tar')
  // symlinks are left out: some peers have none
  await run('sh', [
    '-ec',
    'cd "$0" && find . -type f -print0 | tar cf "$1" --null -T -',
    tree,
    archive,
  ])
  const files = (await run('tar', ['tf', archive])).trim().split('\n').length
  return { directory: tree, archive, files }
}

const { path } = await realTree()
const work = await temporaryDirectory('bench')
const source = await (rtt > 0 ? distantSource(path, work, DISTANT_FILES) : nearSource(path, work))

const names = Object.keys(PEERS).filter(
  (name) => asked.length === 0 || (name === 'local' && rtt === 0) || asked.includes(name),
)
const columns = new Map<string, Map<string, Result>>()
for (const name of names) {
  const place = join(work, name)
  await mkdir(place)
  const peer = await PEERS[name]?.(place, way)
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
for (const line of lines) await line.stop()
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
    if (typeof result === 'object') return result.below
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
