/**
 * What an operation of the engine costs as the tree grows: the cost per operation must not grow with it.
 *
 * Usage: node --import tsx test/bench/storage.ts [LARGEST]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../server/database/database.js'
import { fileName } from '../../server/storage/path.js'
import { openStorage } from '../../server/storage/sqlite-storage.js'
import { overwrite, type Place, type Tree } from '../../server/storage/storage.js'

const LARGEST = Number(process.argv[2] ?? 1_000_000)
const SIZES = [1000, 10_000, 100_000, 1_000_000].filter((size) => size <= LARGEST)
const OPERATIONS = 2000
/** Half of the files are in directories of so many, the other half in one large directory. */
const PER_DIRECTORY = 1000
const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0 }
const CONTENT = Buffer.alloc(4096, 'x')

const directory = await mkdtemp(join(tmpdir(), 'coffer-bench-'))
const database = openDatabase(join(directory, 'coffer.db'))
const storage = await openStorage({ directory, database })
const tree = await storage.tree('bench')
const large = await folder(tree, 'large')
const inos: number[] = []
let current = large
let count = 0

const rows: Record<string, Record<string, string>> = {}
for (const size of SIZES) {
  while (count < size) await grow()
  await storage.durable()
  await measure(String(size))
}
console.log(`microseconds of processor time (of the clock) per operation, by number of inodes`)
console.table(rows)
await storage.close()
database.close()
await rm(directory, { recursive: true })

async function grow(): Promise<void> {
  if (count % (2 * PER_DIRECTORY) === 0) current = await folder(tree, `d${count}`)
  const parent = count % 2 === 0 ? large : current
  const place = { directory: parent, name: fileName(`f${count}`) }
  const { ino } = await tree.make(place, { type: 'file' }, ATTRIBUTES, {})
  if (count % 100 === 0) inos.push(ino)
  if (count % 50 === 0) await turn()
  count += 1
}

async function measure(size: string): Promise<void> {
  const place = (index: number): Place => ({ directory: large, name: fileName(`x${index}`) })
  const ino = (index: number) => inos[(index * 7919) % inos.length] ?? 0
  await time(size, 'create', (i) => tree.make(place(i), { type: 'file' }, ATTRIBUTES, {}))
  await time(size, 'lookup', (i) => tree.lookup(large, fileName(`x${i}`)))
  await time(size, 'stat, anywhere', (i) => tree.stat(ino(i)))
  await time(size, 'chmod, anywhere', (i) =>
    tree.setAttributes(ino(i), { mode: 0o600 + (i % 8) }, overwrite, {}),
  )
  await time(size, 'list, a page of 100', (i) => {
    return tree.list(large, { after: fileName(`f${(i * 997) % count}`), limit: 100 })
  })
  const how = { mode: 'replace', keep: false, source: overwrite, precondition: overwrite } as const
  await time(size, 'rename', (i) =>
    tree.rename(place(i), { ...place(i), name: fileName(`y${i}`) }, how, {}),
  )
  await time(size, 'put 4 KiB', (i) => put({ ...place(i), name: fileName(`y${i}`) }))
  await time(size, 'read 4 KiB', async (i) => {
    const content = await tree.open((await tree.lookup(large, fileName(`y${i}`))).ino)
    await content.read(0, 4096)
    await content.close()
  })
  await time(size, 'remove', (i) =>
    tree.remove(
      { ...place(i), name: fileName(`y${i}`) },
      { kind: 'unlink', keep: false, precondition: overwrite },
      {},
    ),
  )
}

async function time(
  size: string,
  what: string,
  operation: (index: number) => Promise<unknown>,
): Promise<void> {
  await turn()
  const began = performance.now()
  const used = process.cpuUsage()
  for (let index = 0; index < OPERATIONS; index += 1) {
    await operation(index)
    if (index % 50 === 0) await turn()
  }
  const { user, system } = process.cpuUsage(used)
  const clock = ((performance.now() - began) * 1000) / OPERATIONS
  const row = rows[what] ?? {}
  rows[what] = row
  row[size] = `${((user + system) / OPERATIONS).toFixed(0)} (${clock.toFixed(0)})`
}

async function put(place: Place): Promise<void> {
  const upload = await tree.upload()
  await upload.write(once())
  await upload.commit(place, ATTRIBUTES, overwrite, {})
}

async function* once(): AsyncGenerator<Buffer> {
  yield CONTENT
}

async function folder(tree: Tree, name: string): Promise<number> {
  const place = { directory: tree.root, name: fileName(name) }
  return (await tree.make(place, { type: 'directory' }, { ...ATTRIBUTES, mode: 0o755 }, {})).ino
}

/** Lets everything else have its turn, as a server does. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
