import type { FileStatements } from '../../database/files/statements.js'
import type { Ballast } from '../disk/ballast.js'
import type { Contents } from '../disk/contents.js'
import type { Disk } from '../disk/disk.js'
import type { Durability } from '../disk/durability.js'
import type { Space } from '../disk/space.js'
import type { NameGuard } from '../name-guard.js'
import type { ChangeLog } from './change-log.js'
import type { Checkpoints } from './checkpoint.js'
import type { Claims } from './claims.js'
import type { Clock } from './clock.js'
import type { Gate } from './gate.js'
import type { Locks } from './locks.js'
import type { Numbers } from './numbers.js'
import type { Transactions } from './transactions.js'
import type { Versions } from './versions.js'
import type { Growth } from './write-claim.js'

/** The parts of the engine that its operations work with. */
export interface Engine {
  readonly sql: FileStatements
  readonly transactions: Transactions
  readonly checkpoints: Checkpoints
  readonly disk: Disk
  readonly clock: Clock
  readonly contents: Contents
  readonly durability: Durability
  readonly locks: Locks
  readonly log: ChangeLog
  readonly space: Space
  readonly ballast: Ballast
  readonly inos: Numbers
  readonly generations: Numbers
  readonly versions: Versions
  readonly gate: Gate
  /** Set by whoever gives leases of names. */
  names: NameGuard
  /** Inodes whose failed write could not be put back yet: nobody reads them before it was. */
  readonly unrestored: Set<number>
  readonly claims: Claims
  /** Bytes of partial writes that wait on the disk until all has come. */
  readonly waiting: Claims
  /** Files that partial writes are going to extend. */
  readonly growing: Map<number, Growth>
  /** Resumable uploads that a request is at. */
  readonly uploading: Set<string>
  /** Contents of up to so many bytes are kept in the database. */
  readonly smallBytes: number
  /** Bytes of writes that wait in memory. */
  readonly gathered: { bytes: number }
}

/** Whose tree an operation works in. */
export interface TreeId {
  readonly id: number
  readonly owner: string
  readonly root: number
}
