import { BoundedMap } from '../../server/bounded-map.js'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { Belief, VOUCHED_MILLISECONDS } from './belief.js'
import { ForgottenNames } from './forgotten-names.js'
import { ABSENT, believedAs, type Fresh, type Known } from './known.js'
import { KnownNames, type NameIn } from './known-names.js'
import { LatestChanges, type Ticket } from './latest-changes.js'
import { changedBy, type NameChange } from './name-change.js'

/**
 * What this mount knows of the remote tree: attributes by inode and names by directory, absences included. Everything is
 * believed for a timeout after it came, or, while a change stream vouches for it, until the stream says otherwise.
 *
 * Answers and what the stream tells come in any order. An answer that was under way while somebody, this mount or another,
 * changed its inode may be older than the change: it is used once, not kept. So each request takes a ticket first, whether
 * it asks for something or changes it.
 */
export class Cache {
  readonly #belief: Belief
  readonly #attributes: BoundedMap<number, Known<WireAttributes>>
  readonly #names: KnownNames
  readonly #forgotten = new ForgottenNames()
  readonly #changes = new LatestChanges<number>(CHANGES_LIMIT)
  /** Changes that were shown beforehand, by when the server had made them: what was asked before may be older. */
  readonly #settled = new LatestChanges<number>(CHANGES_LIMIT)
  /** Names that others changed; those of one directory that change here do not get in each other's way. */
  readonly #toldNames = new LatestChanges<string>(CHANGES_LIMIT)
  /** Names that changed here: of these the stream does not tell, so what it tells of them may be older. */
  readonly #ownNames = new LatestChanges<string>(CHANGES_LIMIT)
  #sequence: Ticket = 0

  constructor(options: { now: () => number; timeoutMilliseconds: number; limit: number }) {
    this.#belief = new Belief(options.now, options.timeoutMilliseconds)
    this.#attributes = new BoundedMap(options.limit)
    this.#names = new KnownNames(options.limit, (directory, names) =>
      this.#forgotten.add(directory, names),
    )
  }

  /** To be taken before a request whose answer is to be kept. */
  ticket(): Ticket {
    return this.#sequence
  }

  /** The inode changes or changed: answers under way are not kept, and what is known of its attributes no longer holds. */
  changed(ino: number): void {
    this.#sequence += 1
    this.#changes.add(ino, this.#sequence)
    const known = this.#attributes.get(ino)
    if (known !== undefined) this.#attributes.set(ino, believedAs(DOUBTED, known.value))
  }

  /** Keeps attributes unless the inode changed since the ticket. @returns for how long they hold */
  learn(attributes: WireAttributes, ticket: Ticket): number {
    const { ino } = attributes
    if (this.#changes.isSince(ino, ticket) || this.#settled.isSince(ino, ticket)) return 0
    this.#attributes.set(ino, this.#known(attributes))
    return this.timeout
  }

  /**
   * The answer to a change of our own: it is the latest there is, unless the inode changed since the ticket; then nobody
   * here knows which change was the last. @returns for how long it holds
   */
  changedTo(attributes: WireAttributes, ticket: Ticket): number {
    const isLatest = !this.#changes.isSince(attributes.ino, ticket)
    this.changed(attributes.ino)
    return isLatest ? this.learn(attributes, this.#sequence) : 0
  }

  /**
   * The answer to a change that was shown beforehand, by `changedTo` or `changed`, before the ticket was taken. Changes of our own that
   * were asked for since come after it, so their answers are later than this one.
   */
  settledTo(attributes: WireAttributes, ticket: Ticket): void {
    const { ino } = attributes
    if (this.#changes.isSince(ino, ticket)) {
      this.changed(ino)
      return
    }
    this.#sequence += 1
    this.#settled.add(ino, this.#sequence)
    this.#attributes.set(ino, this.#known(attributes))
  }

  /** Attributes that may still be believed, and for how long. */
  attributes(ino: number): Fresh<WireAttributes> | undefined {
    const known = this.#attributes.get(ino)
    return known === undefined ? undefined : this.#fresh(known)
  }

  /** Attributes however old they are. */
  lastAttributes(ino: number): WireAttributes | undefined {
    return this.#attributes.get(ino)?.value
  }

  /** What stands under a name: an inode number, ABSENT, or undefined when we do not know (any more). */
  name(directory: number, name: string): Fresh<number> | undefined {
    const names = this.#names.of(directory)
    const known = names?.names.get(name)
    if (known !== undefined) return this.#fresh(known)
    const complete = names?.complete === undefined ? undefined : this.#fresh(names.complete)
    return complete === undefined
      ? undefined
      : { value: ABSENT, milliseconds: complete.milliseconds }
  }

  /** Whether there is no such name, by what the change stream vouches for. */
  isSurelyAbsent(directory: number, name: string): boolean {
    if (!this.isVouched) return false
    const known = this.name(directory, name)
    return known?.value === ABSENT && known.milliseconds === VOUCHED_MILLISECONDS
  }

  /** The kernel is told that there is no such name, of which nothing was known but all that there are: so it can be taken back. */
  toldAbsent(directory: number, name: string): void {
    this.#names.setAbsent(directory, name)
  }

  /** What stood under a name when we last knew. */
  lastName(directory: number, name: string): number | undefined {
    return this.#names.of(directory)?.names.get(name)?.value
  }

  /** Keeps what stands under a name unless the directory changed since the ticket. @returns for how long it holds */
  learnName(directory: number, name: string, ino: number, ticket: Ticket): number {
    if (this.#changes.isSince(directory, ticket)) return 0
    return this.#setName(directory, name, ino)
  }

  /**
   * A change of our own in a directory: what stands under the name now, and when that came to be, which is then the time of
   * the directory too. If others changed the name since the ticket, nobody here knows what stands there.
   * @returns for how long the new name holds
   */
  changedName(
    directory: number,
    name: string,
    ino: number,
    change: NameChange | undefined,
    ticket: Ticket,
  ): number {
    const known = this.#attributes.get(directory)
    const isFresh = known !== undefined && this.#fresh(known) !== undefined
    this.changed(directory)
    this.#ownNames.add(`${directory}/${name}`, this.#sequence)
    const value = isFresh && change !== undefined ? changedBy(known.value, change) : undefined
    if (isFresh && value !== undefined) this.#attributes.set(directory, believedAs(known, value))
    if (!this.isNameTold(directory, name, ticket)) return this.#setName(directory, name, ino)
    this.#names.forgetName(directory, name)
    return 0
  }

  /** Others changed a name: to `ino`, but if it changed here, too, it is unknown who was last. Without `ino` what is believed stays. */
  toldName(directory: number, name: string, ino?: number | 'unknown'): void {
    const key = `${directory}/${name}`
    this.changed(directory)
    this.#toldNames.add(key, this.#sequence)
    if (ino === undefined) return
    const isUnknown = ino === 'unknown' || this.#ownNames.isSince(key, NEVER)
    if (isUnknown) this.#names.forgetName(directory, name)
    else this.#setName(directory, name, ino)
  }

  /** Whether others may have changed a name after the ticket was taken. */
  isNameTold(directory: number, name: string, ticket: Ticket): boolean {
    // Most often nobody told anything: then no key is made.
    if (!this.#toldNames.isAnySince(ticket)) return false
    return this.#toldNames.isSince(`${directory}/${name}`, ticket)
  }

  /**
   * From now on every name of the directory is known: these, all of which were learned, unless the directory changed since
   * the ticket or there were too many to remember.
   */
  learnComplete(directory: number, listed: readonly { name: string }[], ticket: Ticket): void {
    if (this.#changes.isSince(directory, ticket)) return
    this.#names.setComplete(directory, listed, this.#known(true))
  }

  /** Whether all names of a directory are known and may still be believed. */
  knowsAllNames(directory: number): boolean {
    const complete = this.#names.of(directory)?.complete
    return complete !== undefined && this.#fresh(complete) !== undefined
  }

  /** All names of a directory, if all are known and may still be believed. */
  allNames(directory: number): { name: string; ino: number }[] | undefined {
    const known = this.#names.of(directory)
    if (known === undefined || !this.knowsAllNames(directory)) return undefined
    const present: { name: string; ino: number }[] = []
    for (const [name, { value }] of known.names) {
      if (value !== ABSENT) present.push({ name, ino: value })
    }
    return present
  }

  /** Whether all names of a directory were known when we last knew. */
  wasComplete(directory: number): boolean {
    return this.#names.of(directory)?.complete !== undefined
  }

  forgetNames(directory: number): void {
    this.#names.forget(directory)
  }

  /** It was removed here; of a file there is nothing. */
  removed(directory: number): void {
    this.#names.removed(directory)
  }

  /**
   * A change stream is connected and has told everything up to now: what is learned from now on holds until it says otherwise. Answers
   * that are under way may be older than what it begins with, and of that it tells nothing.
   */
  vouch(): void {
    if (!this.isVouched) this.#doubtAnswers()
    this.#belief.vouch()
  }

  /** The change stream is interrupted: until it is back only the timeout counts. */
  suspend(): void {
    this.#belief.suspend()
  }

  /** What the change stream vouched for no longer holds, also when it is back, nor do answers that are under way for longer. */
  forgetVouched(): void {
    this.#belief.forgetVouched()
    this.#forgotten.clear()
    this.#doubtAnswers()
  }

  /** What was learned before holds no longer, also what answers say that are under way. */
  forgetAll(): void {
    this.#belief.forgetAll()
    this.#doubtAnswers()
  }

  /** Names, present or absent, that are believed. */
  believedNames(): Generator<NameIn> {
    return this.#names.where(this.#isBelieved)
  }

  /** Those of one directory. */
  believedNamesIn(directory: number): Generator<string> {
    return this.#names.in(directory, this.#isBelieved)
  }

  /** Names, present or absent, that the change stream vouches for or did until it was interrupted, as far as the kernel knows. */
  *vouchedNames(): Generator<NameIn> {
    yield* this.#names.where((known) => this.#belief.wasVouched(known))
    yield* this.#forgotten.all()
  }

  /** A change stream is connected. */
  get isVouched(): boolean {
    return this.#belief.isVouched
  }

  /** For how long the kernel may keep what it gets now. */
  get timeout(): number {
    return this.#belief.timeout
  }

  /** Anything may have changed since a ticket that was taken before. */
  #doubtAnswers(): void {
    this.#sequence += 1
    this.#changes.addAll(this.#sequence)
  }

  #setName(directory: number, name: string, ino: number): number {
    this.#names.set(directory, name, this.#known(ino))
    return this.timeout
  }

  #known<T>(value: T): Known<T> {
    return this.#belief.known(value)
  }

  readonly #isBelieved = (known: Known<unknown>): boolean => this.#fresh(known) !== undefined

  #fresh<T>(known: Known<T>): Fresh<T> | undefined {
    return this.#belief.fresh(known)
  }
}

/** Learned long ago, and never vouched for. */
const DOUBTED: Known<void> = { value: undefined, since: Number.NEGATIVE_INFINITY, epoch: 0 }
/** Before every change. */
const NEVER: Ticket = 0
const CHANGES_LIMIT = 10_000
