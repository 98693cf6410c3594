import { briefly } from '../briefly.js'
import { RENEW_MILLISECONDS } from '../fs/locks/lock-renewal.js'
import { isJournalLeft } from '../journal/open-journals.js'
import type { WriteBack } from '../journal/write-back.js'
import type { Remote } from '../remote/remote.js'
import { hasEnded, type RunningProcess, thisProcess } from '../running-process.js'
import { type ConnectionRecord, ConnectionRecords } from './connection-records.js'
import type { MountProcess, MountRequest } from './mount-request.js'

/** A mount that lives keeps a lock from others no longer than that for what it has to send first. */
const SENDING_MILLISECONDS = 60_000

type Journals = Pick<WriteBack, 'drain' | 'directories'>

interface Successor {
  readonly request: Pick<MountRequest, 'stateDirectory' | 'readOnly'>
  readonly surroundings: Pick<MountProcess, 'pid' | 'hasProcess' | 'log'>
  readonly remote: Pick<Remote, 'fence' | 'connectionSecret' | 'files' | 'state'>
  readonly account: string
}

/**
 * A mount takes the place of those of its account that were killed on this machine, so that nobody waits until their leases are over:
 * first nothing of theirs is done any more, then their journals are sent, then others get their locks. And it leaves word for the next.
 */
export class Succession {
  readonly #successor: Successor
  readonly #records: ConnectionRecords
  /** What they had written is to be sent first. */
  readonly #journalled: ConnectionRecord[] = []
  readonly #here: Promise<RunningProcess | undefined>
  #own: ConnectionRecord | undefined

  constructor(successor: Successor) {
    this.#successor = successor
    this.#records = new ConnectionRecords(successor.request.stateDirectory)
    this.#here = thisProcess(successor.surroundings.pid)
  }

  /** Before anything of their journals is sent. */
  async fence(): Promise<void> {
    const { request, account } = this.#successor
    const here = await this.#here
    if (here === undefined) return
    for (const record of await this.#records.all()) {
      // A journal that is left alone is not sent: then its locks stay for as long as a lease.
      const isLeftAlone = record.journals.length > 0 && request.readOnly
      if (record.account !== account || isLeftAlone) continue
      if (await this.#hasEnded(record, here)) await this.#fenced(record)
    }
  }

  /** With the journals that are to be sent, if there are any. */
  async begin(writeBack: Journals | undefined): Promise<void> {
    await this.#leaveWord(writeBack?.directories ?? [])
    if (this.#journalled.length === 0) return
    if (writeBack !== undefined) void this.#endLocks(writeBack)
    else await this.#endLocks()
  }

  /** What the server cannot be told now, the next mount tells it. */
  async end(): Promise<void> {
    const { remote, surroundings } = this.#successor
    if (remote.state.kind !== 'connected') return
    try {
      await briefly(this.#end())
    } catch (error) {
      surroundings.log.warn({ err: error }, 'its locks stay until the next mount or its lease ends')
    }
  }

  async #end(): Promise<void> {
    await this.#successor.remote.files.locks?.end()
    if (this.#own !== undefined) await this.#records.remove(this.#own)
  }

  #hasEnded({ process }: ConnectionRecord, here: RunningProcess): Promise<boolean> {
    return hasEnded(process, here, this.#successor.surroundings.hasProcess)
  }

  async #fenced(record: ConnectionRecord): Promise<void> {
    const { remote, surroundings } = this.#successor
    try {
      await remote.fence(record.secret, record.journals.length > 0 ? 'keep' : 'end')
      await this.#records.remove(record)
    } catch (error) {
      surroundings.log.warn({ err: error }, 'what a killed mount has on the server stays for now')
      return
    }
    if (record.journals.length > 0) this.#journalled.push(record)
    surroundings.log.info({ killed: record.process.pid }, 'took the place of a killed mount')
  }

  /** If it cannot be sent now, or another mount sends it, it is as if nobody had come after them. */
  async #endLocks(writeBack?: Journals): Promise<void> {
    const { remote, surroundings } = this.#successor
    const renewal = this.#renewLeases()
    try {
      await writeBack?.drain()
      for (const { secret, journals } of this.#journalled) {
        const others = journals.filter(
          (journal) => writeBack?.directories.includes(journal) !== true,
        )
        const left = await Promise.all(others.map(isJournalLeft))
        if (left.includes(true)) continue
        await remote.fence(secret, 'end')
        surroundings.log.info('sent what a killed mount had written; others may have its locks')
      }
    } catch (error) {
      surroundings.log.warn({ err: error }, 'the locks of a killed mount stay until its lease ends')
    } finally {
      clearInterval(renewal)
    }
  }

  /** While their journals are sent others do not get their locks: for a while, for a slow network shall not keep them for ever. */
  #renewLeases(): NodeJS.Timeout {
    const { remote, surroundings } = this.#successor
    let left = SENDING_MILLISECONDS / RENEW_MILLISECONDS
    const timer = setInterval(() => {
      if (--left <= 0) clearInterval(timer)
      for (const { secret } of this.#journalled) {
        remote.fence(secret, 'keep').catch((error: unknown) => {
          surroundings.log.debug({ err: error }, 'the lease of a killed mount was not renewed')
        })
      }
    }, RENEW_MILLISECONDS).unref()
    return timer
  }

  async #leaveWord(journals: string[]): Promise<void> {
    const { account, remote, surroundings } = this.#successor
    const process = await this.#here
    if (process === undefined) return
    this.#own = { account, secret: remote.connectionSecret, process, journals }
    await this.#records.add(this.#own).catch((error: unknown) => {
      surroundings.log.warn(
        { err: error },
        'should this mount be killed, the next one will not know',
      )
    })
  }
}
