import type { WireAttributes } from '../../server/wire/inodes.js'
import { codeOf } from '../error-of.js'
import { RemoteError } from '../remote-error.js'
import { Slots } from '../slots.js'
import { type ConflictMount, copyBeside, otherPlace } from './conflict.js'
import { hasFailed, type Pending } from './pending.js'
import type { Place } from './record.js'
import { DamagedData } from './segment.js'
import { permissionsLeft, type Sent, sendChange, statOrNone } from './send-change.js'
import { changesContent, type UnsentFile } from './unsent-file.js'
import type { UnsentFiles } from './unsent-files.js'

export interface SenderMount extends ConflictMount {
  readonly unsent: UnsentFiles
  log(message: string, error?: unknown): void
  /** Resolves once what is being removed here is, and the files are known that lost their last name by it. */
  removed(): Promise<void>
  /** A file is on the server as it is here. */
  settled(file: UnsentFile, now: WireAttributes | undefined): void
  /** What stands at a place may be something else than programs were shown. */
  doubted(place: Place): void
  /** The content of a file is no longer what programs saw. */
  replaced(ino: number): void
}

/** Changes under way: many small ones share a connection, and few large ones fill it. */
const AT_ONCE = 16
const FIRST_PAUSE_MILLISECONDS = 1000
const LONGEST_PAUSE_MILLISECONDS = 30_000

/** Sends what waits, file by file in the order of its changes, in the background. */
export class Sender {
  readonly #mount: SenderMount
  readonly #working = new Set<UnsentFile>()
  readonly #slots = new Slots(AT_ONCE)
  readonly #pauses = new Map<UnsentFile, () => void>()
  /** How often what was written here went to a place of its own, since somebody else had been there. */
  conflicts = 0
  /** How often mode, owner or times that were set here were given up, since somebody else had been there. */
  yielded = 0
  #isStopped = false
  #trouble: string | undefined

  constructor(mount: SenderMount) {
    this.#mount = mount
  }

  /** Sees to it that a file is being sent. */
  offer(file: UnsentFile): void {
    if (this.#isStopped || file.isOnlyHere || this.#working.has(file)) return
    this.#working.add(file)
    void this.#work(file).finally(() => {
      this.#working.delete(file)
      if (file.queue.length > 0 && !file.isOnlyHere) this.offer(file)
    })
  }

  /**
   * Resolves once the changes that a file has now are on the server.
   * @param own the one that is waited for
   * @throws what its next try fails with; by what name a change may have been made only if it is that one
   */
  async sent(file: UnsentFile, own?: Pending): Promise<void> {
    const last = own ?? file.queue.at(-1)
    if (last === undefined || file.isOnlyHere) return
    const ends = this.#ends(file, last, own)
    for (const needed of this.#needed(file)) {
      this.offer(needed)
      this.#hurry(needed)
    }
    await ends
  }

  /** The same of one change, in its own time. */
  tried(file: UnsentFile, own: Pending): Promise<void> {
    return this.#ends(file, own, own)
  }

  /** A file, and those with what must be done first. */
  #needed(file: UnsentFile): Set<UnsentFile> {
    const files = new Set([file])
    for (const { change } of file.queue.flatMap(({ after }) => after)) {
      const needed = this.#mount.unsent.of(change.ino)
      if (needed !== undefined) files.add(needed)
    }
    return files
  }

  async #ends(file: UnsentFile, last: Pending, own: Pending | undefined): Promise<void> {
    const failures = [...this.#needed(file)].map(async (needed) => {
      try {
        return await needed.failure()
      } catch (error) {
        throw needed === file && file.queue[0] === own ? error : ofAnother(error)
      }
    })
    await Promise.race([last.finished, ...failures])
  }

  stop(): void {
    this.#isStopped = true
    for (const wake of this.#pauses.values()) wake()
  }

  #hurry(file: UnsentFile): void {
    file.isUrgent = true
    this.#pauses.get(file)?.()
  }

  async #work(file: UnsentFile): Promise<void> {
    for (let failures = 0; ; ) {
      const [next] = file.queue
      if (next === undefined || this.#isStopped || file.isOnlyHere) return
      await Promise.all(next.after.map(({ finished }) => finished))
      await this.#slots.take(() => file.isUrgent)
      try {
        const isWanted = file.queue[0] === next && !file.isOnlyHere
        if (isWanted && !this.#isStopped) await this.#send(file, next)
        failures = 0
        continue
      } catch (error) {
        for (const waiting of file.queue) waiting.isLate = true
        hasFailed(next, error)
        file.failed(error)
        this.#say(file, error)
      } finally {
        this.#slots.give()
      }
      failures += 1
      await this.#pause(file, failures)
    }
  }

  async #send(file: UnsentFile, pending: Pending): Promise<void> {
    file.isSending = true
    try {
      const isCut = file.gap === pending && changesContent(pending.change)
      const outcome: Sent = isCut
        ? { kind: 'conflict', there: await statOrNone(this.#mount.files, file.target) }
        : await sendChange(this.#mount.files, file, pending, this.#mount.root)
      this.#trouble = undefined
      await this.#became(file, pending, outcome)
    } catch (error) {
      if (!(error instanceof DamagedData)) throw error
      await this.#lose(file)
    } finally {
      file.isSending = false
    }
  }

  async #became(file: UnsentFile, pending: Pending, outcome: Sent): Promise<void> {
    const { place, ino } = file
    switch (outcome.kind) {
      case 'sent':
        this.#done(file, pending, outcome.now, outcome.yielded)
        return
      case 'sent before':
        this.#done(file, pending, outcome.now)
        if (place !== undefined) this.#mount.doubted(place)
        if (outcome.now === undefined) this.#mount.replaced(ino)
        return
      case 'taken':
      case 'conflict':
        await this.#conflict(file, pending, outcome)
    }
  }

  /** Gives up the changes of a file whose bytes are damaged, and no others. */
  async #lose(file: UnsentFile): Promise<void> {
    for (const pending of [...file.queue]) {
      try {
        await pending.data.whole()
      } catch (error) {
        if (!(error instanceof DamagedData)) throw error
        this.#mount.log(`some of what was written to ${named(file)} is lost`, error)
        pending.journal?.done(pending.change.id)
        const { unsent, doubted, replaced } = this.#mount
        unsent.lose(file, pending)
        // Programs were shown what is lost.
        if (pending.change.kind === 'birth' && file.place !== undefined) doubted(file.place)
        else replaced(file.ino)
      }
    }
  }

  #done(
    file: UnsentFile,
    pending: Pending,
    now: WireAttributes | undefined,
    yielded: readonly string[] = [],
  ): void {
    const { unsent, settled } = this.#mount
    pending.journal?.done(pending.change.id, now && file.seenAfter(pending, now))
    const left = [...yielded, ...(now === undefined ? [] : permissionsLeft(pending, now))]
    if (left.length > 0) {
      this.yielded += 1
      const what = `what was set of ${named(file)} (${left.join(', ')})`
      this.#mount.log(`${what} is given up: another machine did it meanwhile`)
    }
    unsent.removeFirst(file, now)
    // Without a change of content the next one has the same gap before it.
    if (file.gap === pending) file.gap = file.queue[0]
    if (file.queue.length === 0) settled(file, now)
  }

  async #conflict(
    file: UnsentFile,
    pending: Pending,
    outcome: Extract<Sent, { kind: 'taken' | 'conflict' }>,
  ): Promise<void> {
    const there = outcome.kind === 'conflict' ? outcome.there : undefined
    if (there === undefined) {
      // It may be a removal of our own that was faster.
      await this.#mount.removed()
      if (file.queue[0] !== pending) return
      if (file.isNameless) return this.#drop(file)
    }
    const { unsent, doubted, replaced, log } = this.#mount
    const before = named(file)
    const taken = file.place
    if (outcome.kind === 'taken') {
      const place = await otherPlace(this.#mount, file, 1)
      pending.journal?.note({ kind: 'moved', of: pending.change.id, place })
      unsent.move(file, place)
      this.conflicts += 1
      for (const doubtful of [taken, place]) if (doubtful !== undefined) doubted(doubtful)
      log(`${before} is somebody else's by now; what was written here is in "${place.name}"`)
      return
    }
    // The copy is of bytes that are right.
    await this.#lose(file)
    const changes = [...file.queue]
    const isWhole = file.gap === undefined
    if (changes[0] !== pending) return
    const settled = copyBeside(this.#mount, file, there !== undefined)
    file.settling = settled.then(
      () => {},
      () => {},
    )
    try {
      const place = await settled
      this.conflicts += 1
      file.gap = undefined
      for (const change of changes) {
        change.journal?.done(change.change.id)
        unsent.removeFirst(file, there)
      }
      if (pending.change.kind === 'birth' && taken !== undefined) doubted(taken)
      doubted(place)
      replaced(file.ino)
      const what = there === undefined ? 'was removed elsewhere' : 'was changed elsewhere'
      const why = isWhole ? what : 'lost a part of what was written here'
      log(`${before} ${why}; what was written here is in "${place.name}"`)
    } finally {
      file.settling = undefined
    }
  }

  #drop(file: UnsentFile): void {
    for (const { journal, change } of [...file.queue]) {
      journal?.done(change.id)
      this.#mount.unsent.removeFirst(file, undefined)
    }
  }

  /** Once for each kind of trouble, not for each file. */
  #say(file: UnsentFile, error: unknown): void {
    const trouble = String(codeOf(error) ?? error)
    if (this.#isStopped || this.#trouble === trouble) return
    this.#trouble = trouble
    this.#mount.log(`${named(file)} cannot be sent now; it is kept and tried again`, error)
  }

  async #pause(file: UnsentFile, failures: number): Promise<void> {
    if (this.#isStopped) return
    const most = Math.min(
      FIRST_PAUSE_MILLISECONDS * 2 ** (failures - 1),
      LONGEST_PAUSE_MILLISECONDS,
    )
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, most)
      this.#pauses.set(file, () => {
        clearTimeout(timer)
        resolve()
      })
    })
    this.#pauses.delete(file)
  }
}

function named({ place, ino }: UnsentFile): string {
  return place === undefined ? `inode ${ino}` : `"${place.name}"`
}

/** Whether a change was made that has a name says nothing of the one that had to wait for it. */
function ofAnother(error: unknown): unknown {
  if (!(error instanceof RemoteError) || error.change === undefined) return error
  return new RemoteError(error.code, error.message, { cause: error })
}
