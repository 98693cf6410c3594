import { join } from 'node:path'
import type { Database } from '../database/database.js'
import { cachedStatements } from '../database/files/cached-statements.js'
import { whenFull, withRoom } from '../database/full-disk.js'
import { groupCommitOf } from '../database/group-commit.js'
import { alone, emptyLog } from '../database/log.js'
import { isHeld } from './content/hold.js'
import { Ballast } from './disk/ballast.js'
import { Contents } from './disk/contents.js'
import { type Disk, nodeDisk } from './disk/disk.js'
import { Durability } from './disk/durability.js'
import { LogFile } from './disk/log-file.js'
import { Space } from './disk/space.js'
import { UNGUARDED } from './name-guard.js'
import { ChangeLog } from './parts/change-log.js'
import { Checkpoints } from './parts/checkpoint.js'
import { Claims } from './parts/claims.js'
import { wallClock } from './parts/clock.js'
import type { Engine } from './parts/engine.js'
import { Gate } from './parts/gate.js'
import { Locks } from './parts/locks.js'
import { Numbers } from './parts/numbers.js'
import { beginRun, bootOfMachine, versionFloor } from './parts/power-loss.js'
import { Transactions } from './parts/transactions.js'
import { Versions } from './parts/versions.js'

export interface StorageOptions {
  /** The data directory; contents lie in `content/` below it. */
  readonly directory: string
  readonly database: Database
  readonly clock?: () => Date
  readonly disk?: Disk
  /** In which run of the kernel the machine is; that of this one if not given. */
  readonly boot?: () => string | undefined
  /** Bytes of the disk that files never take. */
  readonly reserveBytes?: number
  /** Bytes that are kept for removing files on a full disk; none if not given. */
  readonly ballastBytes?: number
  /** Contents of up to so many bytes are kept in the database; 0 for none. */
  readonly smallBytes?: number
}

/** Where a row of the database costs less than a file: measured by test/bench. */
const SMALL_BYTES = 16 * 1024
/** Pages of the database kept in memory: the inner ones of a million inodes, and the leaves in use. */
const CACHE_KIBIBYTES = 64 * 1024
const RESERVE_BYTES = 64 * 1024 * 1024
/**
 * The parts put together.
 * @param numbers whether numbers are given out to clients; who gives out some calls `endRun` in the end
 */
export function createEngine(
  options: StorageOptions,
  numbers: 'given out' | 'kept' = 'kept',
): Engine {
  const { directory, database, disk = nodeDisk } = options
  const reserve = options.reserveBytes ?? RESERVE_BYTES
  const now = options.clock ?? (() => new Date())
  const clock = wallClock(now)
  database.pragma(`cache_size = -${CACHE_KIBIBYTES}`)
  const sql = cachedStatements(database)
  const ballast = new Ballast(disk, directory, { bytes: options.ballastBytes ?? 0, reserve })
  // Who removes files must sign in first, and needs a token, which is refreshed every quarter of an hour.
  whenFull(database, () => ballast.giveUp())
  if (numbers === 'given out') {
    const boot = (options.boot ?? bootOfMachine)()
    withRoom(database, () => beginRun(database, boot, now()))
  }
  const checkpoints = new Checkpoints(database)
  const transactions = new Transactions(database, {
    rolledBack: sql.rolledBack,
    ended: sql.ended,
    committed: () => checkpoints.committed(),
  })
  const logFile = database.memory
    ? undefined
    : new LogFile(disk, `${database.name}-wal`, {
        alone: (work) => alone(database, work),
        emptyLog: () => emptyLog(database),
      })
  const durability: Durability = new Durability(
    disk,
    logFile,
    () => contents,
    () => space.isShort(),
  )
  const root = join(directory, 'content')
  const space = new Space(disk, root, reserve)
  const contents = new Contents(
    disk,
    root,
    durability,
    (path) => durability.folderChanged(path),
    (generation) => isHeld({ sql, clock }, generation),
  )
  // A command has its changes synced one by one (openBesideServer): of many files that takes as many syncs, and `durable` needs but one.
  database.pragma('synchronous = NORMAL')
  // What lets somebody in, and what takes that back, is in the same log.
  groupCommitOf(database).syncBy(() => durability.logged())
  return {
    sql,
    transactions,
    checkpoints,
    disk,
    clock,
    contents,
    durability,
    locks: new Locks(),
    log: new ChangeLog(sql, transactions, clock),
    space,
    ballast,
    inos: new Numbers(sql, transactions, 'ino'),
    generations: new Numbers(sql, transactions, 'generation'),
    versions: new Versions(versionFloor(database)),
    gate: new Gate(),
    names: UNGUARDED,
    unrestored: new Set(),
    claims: new Claims(),
    waiting: new Claims(),
    growing: new Map(),
    uploading: new Set(),
    gathered: { bytes: 0 },
    smallBytes: options.smallBytes ?? SMALL_BYTES,
  }
}
