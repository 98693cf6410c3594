import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { Database } from '../database/database.js'
import { groupCommitOf } from '../database/group-commit.js'

/** Transactions after which the log is written back to the database. */
const EVERY = 250
/** Pages of the log at which SQLite does it itself, in the way of everybody, should the thread not keep up. */
const BACKSTOP_PAGES = 16_384

/** What runs in the thread: a connection of its own, which disturbs neither readers nor the writer (PASSIVE). */
const CODE = `
const { parentPort, workerData } = require('node:worker_threads')
const Database = require(workerData.driver)
const database = new Database(workerData.path)
database.pragma('synchronous = NORMAL')
parentPort.on('message', (message) => {
  if (message === 'close') {
    database.close()
    parentPort.close()
    return
  }
  try { database.pragma('wal_checkpoint(PASSIVE)') } catch {}
  parentPort.postMessage('done')
})`

/**
 * Writes the log back to the database in a thread, because a checkpoint waits for the disk: the event loop never does.
 * The thread is started when there is something to do.
 */
export class Checkpoints {
  readonly #database: Database
  #worker: Worker | undefined
  #isBusy = false
  #count = 0

  constructor(database: Database) {
    this.#database = database
    if (!database.memory) database.pragma(`wal_autocheckpoint = ${BACKSTOP_PAGES}`)
    // What the authorization server writes is in the same log.
    groupCommitOf(database).onCommit((changes) => this.committed(changes))
  }

  /** A transaction was committed, or several in one. */
  committed(transactions = 1): void {
    this.#count += transactions
    if (this.#count < EVERY || this.#isBusy || this.#database.memory) return
    this.#count = 0
    this.#isBusy = true // and stays so if the thread fails
    this.#worker ??= this.#start()
    this.#worker.postMessage('checkpoint')
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    this.#worker = undefined
    this.#isBusy = true
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage('close')
    await ended
  }

  #start(): Worker {
    const driver = createRequire(import.meta.url).resolve('better-sqlite3')
    const workerData = { driver, path: this.#database.name }
    const worker = new Worker(CODE, { eval: true, workerData, execArgv: [] })
    worker.unref()
    worker.on('message', () => {
      this.#isBusy = false
    })
    // Without the thread SQLite does it itself, at the backstop.
    worker.on('error', () => {
      this.#worker = undefined
    })
    return worker
  }
}
