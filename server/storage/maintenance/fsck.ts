import { join } from 'node:path'
import type { Database } from '../../database/database.js'
import { fileStatements } from '../../database/files/statements.js'
import { refuseWithoutContents } from '../content/contents-away.js'
import { STORED } from '../content/stored.js'
import { putBackAll } from '../content/undo.js'
import type { StorageOptions } from '../create-engine.js'
import { createEngine } from '../create-engine.js'
import { nodeDisk } from '../disk/disk.js'
import { modified } from '../inodes/inode.js'
import type { Engine } from '../parts/engine.js'
import { endRun } from '../parts/power-loss.js'
import { type ContentMismatch, type ContentProblem, mismatches, orphans } from './fsck-content.js'
import { METADATA_CHECKS, type MetadataProblem, wrongRows } from './fsck-metadata.js'

export type Problem = MetadataProblem | ContentProblem | 'damaged database'

export interface Finding {
  readonly problem: Problem
  /** For people: what is wrong with what. */
  readonly text: string
  readonly repaired: boolean
}

export interface FsckReport {
  readonly found: number
  readonly repaired: number
}

export interface FsckOptions extends StorageOptions {
  /**
   * `check` changes nothing; beside a running server (`serving`) it leaves out what a server has on its way. `repair`
   * demands that none runs: the caller holds the lock of the data directory.
   */
  readonly mode: 'check' | 'serving' | 'repair'
  readonly report: (finding: Finding) => void
}

/** Findings of one kind that are reported; one more round of repair takes the next. */
const PAGE = 1000

/** Proves that metadata agree with themselves and with the contents; repairs what can be. */
export async function fsck(options: FsckOptions): Promise<FsckReport> {
  const { database, mode } = options
  const count = { found: 0, repaired: 0 }
  const report = (problem: Problem, text: string, repaired: boolean) => {
    count.found += 1
    if (repaired) count.repaired += 1
    options.report({ problem, text, repaired })
  }
  const damage = database.pragma('integrity_check(20)') as { integrity_check: string }[]
  for (const { integrity_check } of damage) {
    if (integrity_check !== 'ok') report('damaged database', integrity_check, false)
  }
  // Its tables cannot be trusted, so nothing is built on them.
  if (count.found > 0) return count
  if (mode !== 'repair') {
    checkMetadata(database, undefined, report)
    await checkContent(options, undefined, report)
    return count
  }
  await refuseWithoutContents(options)
  // Made at its first use: by then the counters it takes its numbers from are right.
  let made: Engine | undefined
  const engine = () => {
    made ??= createEngine(options, 'given out')
    return made
  }
  checkMetadata(database, engine, report)
  await putBackAll(engine())
  await checkContent(options, engine(), report)
  await engine().contents.close()
  await engine().checkpoints.close()
  endRun(database)
  return count
}

type Report = (problem: Problem, text: string, repaired: boolean) => void

function checkMetadata(
  database: Database,
  engine: (() => Engine) | undefined,
  report: Report,
): void {
  for (const [problem, check] of Object.entries(METADATA_CHECKS)) {
    const repair = 'repair' in check ? check.repair : undefined
    let before: string | undefined
    for (;;) {
      const wrong = wrongRows(database, check, PAGE)
      const first = wrong[0]?.text
      // The same once more is beyond repair, and was reported.
      if (first === undefined || first === before) break
      before = first
      for (const row of wrong) {
        if (engine !== undefined && repair !== undefined) repair(engine, database, row)
        report(problem as MetadataProblem, row.text, engine !== undefined && repair !== undefined)
      }
      if (engine === undefined || repair === undefined) break
    }
  }
}

async function checkContent(
  options: FsckOptions,
  engine: Engine | undefined,
  report: Report,
): Promise<void> {
  const { directory, database, mode, disk = nodeDisk, clock = () => new Date() } = options
  const root = join(directory, 'content')
  const sql = fileStatements(database)
  for await (const mismatch of mismatches(sql, disk, root)) {
    if (engine !== undefined) cut(engine, mismatch)
    report(mismatch.kind, mismatch.text, engine !== undefined)
  }
  if (mode === 'serving') return
  const now = Math.floor(clock().getTime() / 1000)
  for await (const { kind, text, generation } of orphans(sql, disk, root)) {
    // What a backup may still need, a server removes after it; of one that was killed this is known after a while.
    if (sql.held.get(generation, now) !== undefined) continue
    engine?.contents.retire(generation)
    report(kind, text, engine !== undefined)
  }
}

/** What is lost is lost: the size becomes that of the content there is, so that reading shows it. */
function cut(engine: Engine, { row, length }: ContentMismatch): void {
  if (row === undefined) return
  const size = length ?? 0
  engine.transactions.run(() => {
    const stored = length === undefined ? STORED.nowhere : STORED.file
    const times = modified(engine.clock())
    const allocated = stored === STORED.file ? engine.contents.holed(row.generation, size) : null
    const version = engine.versions.after(row.version)
    engine.sql.updateInode.run({ ...row, ...times, size, stored, allocated, version })
    engine.log.note(
      row.tree,
      { kind: 'content', ino: row.ino },
      { bytes: size - row.size, inodes: 0 },
      {},
    )
  })
}
