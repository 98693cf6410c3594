import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { Database } from '../../database/database.js'
import { groupCommitOf } from '../../database/group-commit.js'
import { deferred } from './deferred.js'

/** Transactions after which the log is written back to the database. */
const EVERY = 250
/** Pages of the log at which it is begun anew, if changes have waited for no more than that part of the time; and in any case. */
const ENOUGH_PAGES = 2_000
const WAITED_PART = 1 / 50
const MANY_PAGES = 4_000
/** Pages of the log at which changes wait although the thread still writes it back: on a slow disk that takes long. */
const MOST_PAGES = 12_000
/** Transactions after which it is looked whether the log has so many. */
const LOOK_EVERY = 16
/** What a page takes in the log (https://www.sqlite.org/fileformat2.html#the_write_ahead_log). */
const FRAME_BYTES = 4096 + 24
const KEPT_BYTES = MANY_PAGES * FRAME_BYTES
/** Pages of the log at which SQLite does it itself, in the way of everybody, should the thread not keep up. */
const BACKSTOP_PAGES = 16_384

/**
 * What runs in the thread: a connection of its own, which disturbs neither readers nor the writer (PASSIVE).
 *
 * SQLite begins the log anew at the first commit that finds all of it written back, and then syncs the header of the log.
 * The thread makes that commit itself, which changes nothing; what was committed while it wrote back, it writes back first.
 */
const CODE = `
const { parentPort, workerData } = require('node:worker_threads')
const Database = require(workerData.driver)
const database = new Database(workerData.path, { timeout: 100 })
database.pragma('synchronous = NORMAL')
database.pragma('journal_size_limit = ' + workerData.keptBytes)
const valueOf = (name) => database.pragma(name, { simple: true })
const isBegun = database.transaction((version) => {
  if (valueOf('data_version') !== version) return false
  database.pragma('user_version = ' + valueOf('user_version'))
  return true
}).immediate
const TASKS = {
  writeBack: () => database.pragma('wal_checkpoint(PASSIVE)')[0].log,
  beginAnew: () => {
    let pages = 0
    for (let round = 0; round < 4; round++) {
      const version = valueOf('data_version')
      const [{ log, checkpointed }] = database.pragma('wal_checkpoint(PASSIVE)')
      pages = log
      // somebody still reads what is older
      if (checkpointed < log) break
      if (isBegun(version)) return 0
    }
    return pages
  },
}
parentPort.on('message', (task) => {
  if (task === 'close') {
    database.close()
    parentPort.close()
    return
  }
  let pages
  try { pages = TASKS[task]() } catch {}
  parentPort.postMessage(pages)
})`

/**
 * Writes the log back to the database in a thread, because a checkpoint waits for the disk: the event loop never does.
 * The thread is started when there is something to do.
 *
 * Who commits without a pause is always ahead of the thread, so the log would never be written back as a whole, and
 * would grow. So once it is long, changes that have not begun wait (`pause`) until the thread has done the last of it.
 */
export class Checkpoints {
  readonly #database: Database
  #worker: Worker | undefined
  #task: 'none' | 'writeBack' | 'beginAnew' = 'none'
  #count = 0
  #lookAgainIn = LOOK_EVERY
  /** Pages of the log when it was to be begun anew. Should a reader be in the way, that is not tried again and again. */
  #triedAt = 0
  #pause: (ReturnType<typeof deferred> & { readonly since: number }) | undefined
  /** When changes may wait again, by performance.now(). */
  #pauseAgainAt = 0

  constructor(database: Database) {
    this.#database = database
    if (!database.memory) {
      database.pragma(`wal_autocheckpoint = ${BACKSTOP_PAGES}`)
      // When the log is begun anew its file gets shorter again, so that its size says how long the log is.
      database.pragma(`journal_size_limit = ${KEPT_BYTES}`)
    }
    // What the authorization server writes is in the same log.
    const commits = groupCommitOf(database)
    commits.onCommit((changes) => this.committed(changes))
    commits.waitFor(() => this.pause())
  }

  /** A transaction was committed, or several in one. */
  committed(transactions = 1): void {
    this.#count += transactions
    if (this.#database.memory) return
    if (this.#task === 'writeBack') this.#look(transactions)
    if (this.#count < EVERY || this.#task !== 'none') return
    this.#count = 0
    this.#do('writeBack') // and stays at it if the thread fails
  }

  /** What a change waits for before it begins, if there is something. One that does not wait does no harm. */
  pause(): Promise<void> | undefined {
    return this.#pause?.promise
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    this.#worker = undefined
    this.#task = 'writeBack'
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    // Nothing else may be left that keeps the process until then.
    worker.ref()
    worker.postMessage('close')
    await ended
  }

  #do(task: 'writeBack' | 'beginAnew'): void {
    this.#task = task
    this.#worker ??= this.#start()
    this.#worker.postMessage(task)
  }

  /** Changes are faster than the thread: they wait until it is done. */
  #look(transactions: number): void {
    this.#lookAgainIn -= transactions
    if (this.#lookAgainIn > 0 || this.#pause !== undefined || this.#worker === undefined) return
    this.#lookAgainIn = LOOK_EVERY
    const { size = 0 } = statSync(`${this.#database.name}-wal`, { throwIfNoEntry: false }) ?? {}
    if (size / FRAME_BYTES >= Math.max(MOST_PAGES, this.#triedAt + MANY_PAGES)) this.#wait()
  }

  /** @param pages of the log now; unknown if the thread could not do it */
  #done(pages: number | undefined): void {
    const isClosing = this.#worker === undefined
    const isLast = isClosing || this.#task === 'beginAnew' || pages === undefined
    if (isLast) this.#goOn()
    if (isClosing) return
    this.#task = 'none'
    if (pages !== undefined && pages < this.#triedAt) this.#triedAt = 0 // and it was
    if (isLast) return
    if (this.#pause === undefined && !this.#isTime(pages - this.#triedAt)) return
    this.#triedAt = pages
    this.#wait()
    this.#do('beginAnew')
  }

  #wait(): void {
    this.#pause ??= { ...deferred(), since: performance.now() }
  }

  #isTime(pages: number): boolean {
    return pages >= MANY_PAGES || (pages >= ENOUGH_PAGES && performance.now() >= this.#pauseAgainAt)
  }

  #goOn(): void {
    if (this.#pause === undefined) return
    const now = performance.now()
    this.#pauseAgainAt = now + (now - this.#pause.since) / WAITED_PART
    this.#pause.resolve()
    this.#pause = undefined
  }

  #start(): Worker {
    const driver = createRequire(import.meta.url).resolve('better-sqlite3')
    const workerData = { driver, path: this.#database.name, keptBytes: KEPT_BYTES }
    const worker = new Worker(CODE, { eval: true, workerData, execArgv: [] })
    worker.unref()
    worker.on('message', (pages) => this.#done(pages))
    worker.on('exit', () => this.#goOn())
    // Without the thread SQLite does it itself, at the backstop.
    worker.on('error', () => {
      this.#worker = undefined
    })
    return worker
  }
}
