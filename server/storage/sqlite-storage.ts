import type { Database } from '../database/database.js'
import { refuseWithoutContents } from './content/contents-away.js'
import { renewDoubtful } from './content/renew.js'
import { STORED } from './content/stored.js'
import { putBackAll } from './content/undo.js'
import { createEngine, type StorageOptions } from './create-engine.js'
import { quotaOf, setQuota } from './maintenance/quota.js'
import { sweepBuilding, sweepContents, sweepUnused } from './maintenance/sweep.js'
import type { NameGuard } from './name-guard.js'
import { plant } from './names/plant.js'
import type { Engine } from './parts/engine.js'
import { endRun } from './parts/power-loss.js'
import type { StoragePath } from './path.js'
import type { AtHand, Ino, Quota, Storage, Tree, Usage, UserId } from './storage.js'
import { UserTree } from './tree.js'

const SWEEP_MILLISECONDS = 60 * 60 * 1000
const BALLAST_MILLISECONDS = 10 * 1000
/** Trees remembered, so that a request does not look its own up. */
const TREES = 1024

/**
 * Opens the engine: puts back what a crash left half written, then serves; orphans are swept meanwhile. One process at
 * a time: the caller holds the lock of the data directory.
 */
export async function openStorage(options: StorageOptions): Promise<SqliteStorage> {
  await refuseWithoutContents(options)
  const engine = createEngine(options, 'given out')
  await putBackAll(engine)
  return new SqliteStorage(engine, options.database)
}

/** Metadata in SQLite, content in files. */
export class SqliteStorage implements Storage {
  readonly #engine: Engine
  readonly #database: Database
  readonly #trees = new Map<UserId, UserTree>()
  readonly #timers: readonly NodeJS.Timeout[]
  #sweeping: Promise<void>
  #closed = false
  readonly #stopped = () => this.#closed

  constructor(engine: Engine, database: Database) {
    this.#engine = engine
    this.#database = database
    this.#sweeping = this.#swept(async () => {
      await sweepBuilding(engine, this.#stopped)
      await sweepContents(engine, engine.generations.start, this.#stopped)
      await sweepUnused(engine, this.#stopped)
    })
    this.#timers = [
      setInterval(() => void this.sweep(), SWEEP_MILLISECONDS).unref(),
      setInterval(() => void engine.ballast.keep(), BALLAST_MILLISECONDS).unref(),
    ]
  }

  guardNames(guard: NameGuard): void {
    this.#engine.names = guard
  }

  async tree(owner: UserId): Promise<Tree> {
    return this.#tree(owner)
  }

  atHand(owner: UserId, from: Ino | 'root', path: StoragePath): AtHand | undefined {
    return this.#trees.get(owner)?.atHand(from, path)
  }

  async durable(ino?: Ino): Promise<void> {
    const { durability, sql } = this.#engine
    await renewDoubtful(this.#engine, ino)
    if (ino === undefined) return durability.all()
    const row = sql.inode.get(ino)
    return durability.one(row?.stored === STORED.file ? row.generation : undefined)
  }

  pause(): Promise<void> | undefined {
    return this.#engine.checkpoints.pause()
  }

  async setQuota(owner: UserId, quota: Quota): Promise<void> {
    setQuota(this.#engine, this.#tree(owner).id, quota)
  }

  async quota(owner: UserId): Promise<Quota & Usage> {
    return quotaOf(this.#engine, this.#tree(owner).id)
  }

  /** Keeps room for removing files on a full disk; happens by itself every ten seconds. */
  async keepBallast(): Promise<void> {
    await this.#engine.ballast.keep()
  }

  /** Takes away what nobody uses any more; happens by itself every hour. */
  async sweep(): Promise<void> {
    const before = this.#sweeping
    this.#sweeping = before.then(() => this.#swept(() => sweepUnused(this.#engine, this.#stopped)))
    await this.#sweeping
  }

  /** Resolves when what a crash left has been swept, and the contents of what was removed are gone. */
  async swept(): Promise<void> {
    await this.#sweeping
    await this.#engine.contents.settled()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timers.forEach(clearInterval)
    await this.#sweeping
    await this.#engine.ballast.end()
    await this.#engine.durability.stop()
    await this.#engine.contents.close()
    this.#engine.durability.close()
    await this.#engine.checkpoints.close()
    endRun(this.#database)
  }

  #tree(owner: UserId): UserTree {
    const known = this.#trees.get(owner)
    if (known !== undefined) return known
    const row = this.#engine.sql.tree.get(owner) ?? plant(this.#engine, owner)
    const tree = new UserTree(this.#engine, row)
    if (this.#trees.size >= TREES) this.#trees.clear()
    this.#trees.set(owner, tree)
    return tree
  }

  /** A sweep is no request's business: what it could not do, the next one does. */
  async #swept(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch {
      // Orphans cost space, nothing else; fsck reports them.
    }
  }
}
