import type { ChangeRow } from '../../database/files/changes.js'
import type { FileStatements } from '../../database/files/statements.js'
import { FileError } from '../../errors.js'
import type { Change, ChangedPlace, ChangePage, Changes, OwnChanges } from '../changes.js'
import type { FileName } from '../path.js'
import type { Origin } from '../storage.js'
import type { Clock } from './clock.js'
import { NewestOfOthers } from './newest-of-others.js'
import { LOST_CHANGES } from './power-loss.js'
import { RecentChanges } from './recent-changes.js'
import type { Transactions } from './transactions.js'
import { checkQuota, type Usage } from './usage.js'

/** How many changes a tree keeps, and for how long. */
export const KEPT_CHANGES = 200_000
export const KEPT_SECONDS = 30 * 24 * 60 * 60
/** Among how many of the newest, and those of a gap, what is new is looked for by the name of its change: some milliseconds. */
const SOUGHT_CHANGES = 50_000
/** Old ones go in pages of this size, so that no single change pays for many. */
const PAGE = 128

/** A change as the engine notes it, in the transaction that makes it. */
export interface Noted {
  readonly kind: Change['kind'] | 'exchange' | 'release'
  readonly ino: number
  readonly place?: ChangedPlace | undefined
  readonly to?: ChangedPlace
  readonly other?: number | undefined
  /** An inode that ceases to exist by this. */
  readonly gone?: number | undefined
}

/** The log of all trees: notes changes, counts what they use, wakes who waits. */
export class ChangeLog {
  readonly #sql: FileStatements
  readonly #transactions: Transactions
  readonly #clock: Clock
  readonly #recent = new RecentChanges()
  readonly #others = new NewestOfOthers()
  readonly #waiting = new Map<number, Set<(change: ChangeRow) => void>>()

  constructor(sql: FileStatements, transactions: Transactions, clock: Clock) {
    this.#sql = sql
    this.#transactions = transactions
    this.#clock = clock
  }

  /** Within a transaction, last: the change, and its use against the quota. @throws EDQUOT, ESTALE (not wanted any more) */
  note(tree: number, change: Noted, usage: Usage, origin: Origin): void {
    origin.mustBeWanted?.()
    const row = this.#sql.charge.get(usage.bytes, usage.inodes, usage.links ?? 0, 1, tree)
    if (row === undefined)
      throw new FileError('EIO', 'a tree has lost its root; run coffer-server fsck')
    checkQuota(row, usage)
    const { place, to } = change
    const isVersioned = origin.change !== undefined && change.kind !== 'make'
    const noted: ChangeRow = {
      seq: row.seq,
      at: this.#clock().sec,
      kind: change.kind,
      ino: change.ino,
      directory: place?.directory ?? null,
      name: place?.name ?? null,
      to_directory: to?.directory ?? null,
      to_name: to?.name ?? null,
      other: change.other ?? null,
      origin: origin.connection ?? null,
      change: origin.change ?? null,
      version: isVersioned ? this.#versionOf(change.ino) : null,
    }
    this.#sql.insertChange.run(tree, noted, change.gone ?? null)
    if (row.seq % PAGE === 0) this.#sql.forgetChanges.run(tree, row.seq - KEPT_CHANGES)
    this.#transactions.afterwards(() => {
      this.#recent.add(tree, noted)
      this.#others.add(tree, noted.seq, origin.connection)
      this.#tell(tree, noted)
    })
  }

  #versionOf(ino: number): number | null {
    return this.#sql.inode.get(ino)?.version ?? null
  }

  /** Within a transaction: counts what is used or freed where nobody sees it. @throws EDQUOT */
  charge(tree: number, usage: Usage): void {
    const row = this.#sql.charge.get(usage.bytes, usage.inodes, usage.links ?? 0, 0, tree)
    if (row !== undefined) checkQuota(row, usage)
  }

  /** Forgets a page of what is too old; answers whether there may be more. */
  forget(tree: number): boolean {
    const before = this.#clock().sec - KEPT_SECONDS
    const old = this.#sql.changesAfter.all(tree, 0, PAGE).filter((row) => row.at < before)
    const last = old.at(-1)
    if (last !== undefined) {
      this.#sql.forgetChanges.run(tree, last.seq)
      this.#recent.forget(tree)
    }
    return old.length === PAGE
  }

  of(tree: number): Changes {
    return {
      newest: async () => this.#newest(tree),
      newestOfOthers: (connection) => this.#others.before(tree, connection),
      made: async (connection, change) => {
        const named = this.#sql.changeNamed.get(connection, change, tree)
        return named && (named.version === null ? {} : { version: named.version })
      },
      newlyMade: async (connection, change) => {
        const after = this.#newest(tree) - SOUGHT_CHANGES - LOST_CHANGES
        return this.#sql.makeNamed.get(tree, after, connection, change)?.ino
      },
      after: async (seq, limit) => this.#after(tree, seq, limit),
      wait: (seq, signal, own) => this.#wait(tree, seq, signal, own),
    }
  }

  #newest(tree: number): number {
    return this.#recent.newest(tree) ?? this.#sql.treeById.get(tree)?.seq ?? 0
  }

  #after(tree: number, seq: number, limit: number): ChangePage {
    const recent = this.#recent.after(tree, seq, limit)
    if (recent !== undefined) {
      return { kind: 'changes', changes: recent.map(toChange), newest: this.#newest(tree) }
    }
    const newest = this.#newest(tree)
    const oldest = this.#sql.oldestChange.get(tree)?.seq ?? newest + 1
    if (seq > newest || seq < oldest - 1) return { kind: 'expired', newest }
    const rows = this.#sql.changesAfter.all(tree, seq, limit)
    // Between the two, changes were lost with the power.
    if (seq < newest && rows[0]?.seq !== seq + 1) return { kind: 'expired', newest }
    return { kind: 'changes', changes: rows.map(toChange), newest }
  }

  #wait(
    tree: number,
    seq: number,
    signal: AbortSignal,
    own: OwnChanges | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      const waiting = this.#waiting.get(tree) ?? new Set()
      this.#waiting.set(tree, waiting)
      const end = () => {
        signal.removeEventListener('abort', aborted)
        waiting.delete(come)
        if (waiting.size === 0) this.#waiting.delete(tree)
      }
      const wake = () => {
        end()
        resolve()
      }
      const come = ({ origin, seq }: ChangeRow) => {
        if (own !== undefined && origin === own.connection) own.passed(seq)
        else wake()
      }
      const aborted = () => {
        end()
        reject(signal.reason)
      }
      waiting.add(come)
      signal.addEventListener('abort', aborted)
      if (this.#newest(tree) > seq) wake()
    })
  }

  #tell(tree: number, change: ChangeRow): void {
    for (const come of this.#waiting.get(tree) ?? []) come(change)
  }
}

function toChange(row: ChangeRow): Change {
  const numbered = {
    seq: row.seq,
    at: row.at,
    ino: row.ino,
    ...(row.origin === null ? {} : { origin: row.origin }),
  }
  const place = placeOf(row.directory, row.name)
  const to = placeOf(row.to_directory, row.to_name)
  if ((row.kind === 'make' || row.kind === 'remove') && place !== undefined) {
    return { ...numbered, kind: row.kind, place }
  }
  if (
    (row.kind === 'rename' || row.kind === 'exchange') &&
    place !== undefined &&
    to !== undefined
  ) {
    const renamed = { ...numbered, kind: 'rename' as const, from: place, to }
    if (row.other === null) return renamed
    return row.kind === 'rename'
      ? { ...renamed, replaced: row.other }
      : { ...renamed, exchanged: row.other }
  }
  const kind = row.kind === 'content' ? 'content' : 'attributes'
  return place === undefined ? { ...numbered, kind } : { ...numbered, kind, place }
}

function placeOf(directory: number | null, name: string | null): ChangedPlace | undefined {
  return directory === null || name === null ? undefined : { directory, name: name as FileName }
}
