import type { WireAttributeChanges, WireAttributes } from '../../../server/wire/inodes.js'
import type { Soon } from '../../fuse/soon.js'
import type { Changed } from '../../remote/remote-files.js'
import type { Birth } from './birth.js'
import type { ContentMount } from './content-mount.js'
import { LocalContent } from './local-content.js'
import type { KnownNode } from './nodes.js'
import { Outcomes } from './outcomes.js'
import { RequestsUnderWay } from './requests-under-way.js'
import { Sending } from './sending.js'

/** One file may hold this much unsent; then its writer waits. */
const FILE_BYTES = 24 << 20

/** Called once all that is to be awaited first has come. @throws what the program is told whose locks turned out to be lost */
export type MustHold = () => void

/**
 * What is written to one inode and not yet on the server, shared by all its handles: bytes, "cut to nothing", attributes.
 * What programs see of it is a LocalContent; Sending brings it to the server; Outcomes is what the server made of it.
 */
export class Content {
  readonly #mount: ContentMount
  readonly #node: KnownNode
  readonly #here: LocalContent
  readonly #requests = new RequestsUnderWay()
  readonly #outcomes: Outcomes
  readonly #sending: Sending

  constructor(mount: ContentMount, node: KnownNode, base: WireAttributes, birth?: Birth) {
    this.#mount = mount
    this.#node = node
    this.#here = new LocalContent(mount, base, birth)
    this.#outcomes = new Outcomes(mount, node, this.#here, this.#requests)
    this.#sending = new Sending(mount, node, this.#here, this.#requests, this.#outcomes)
  }

  /** Everything is on the server, and nothing is under way. */
  get isClean(): boolean {
    return this.#here.isSent && this.#requests.count === 0 && !this.#sending.sendsAttributes
  }

  get birth(): Birth | undefined {
    return this.#here.birth
  }

  /** Attributes could not be sent when they should have been. */
  get hasLateAttributes(): boolean {
    return this.#here.pending.isLate
  }

  /** A new file without content yet: nothing that a stat must wait for. */
  get isBlank(): boolean {
    return this.#here.birth !== undefined && this.#here.size === 0 && this.#requests.count === 0
  }

  get bytes(): number {
    return this.#here.unsent.bytes
  }

  /** For how long the oldest unsent change waits. */
  get ageMilliseconds(): number {
    return this.#here.ageMilliseconds
  }

  /** The attributes as a program must see them now. */
  attributes(): WireAttributes {
    return this.#here.attributes()
  }

  /** Whether `write` takes the bytes before it returns. */
  takesAtOnce(where: 'there' | 'at the end'): boolean {
    return !this.isClean && !(where === 'there' && this.#here.unsent.hasAppended)
  }

  write(
    offset: number,
    data: Buffer,
    where: 'there' | 'at the end',
    mustHold?: MustHold,
  ): Soon<void> {
    this.#requests.throwError()
    if (!this.takesAtOnce(where)) return this.#writeLater(offset, data, where, mustHold)
    mustHold?.()
    return this.#take(offset, data, where)
  }

  async #writeLater(
    offset: number,
    data: Buffer,
    where: 'there' | 'at the end',
    mustHold: MustHold | undefined,
  ): Promise<void> {
    await this.#begin()
    const here = this.#here
    const isAfter = offset + data.length > (here.isCut ? 0 : here.base.size)
    if (where === 'there' && here.unsent.hasAppended && isAfter) await this.flush()
    mustHold?.()
    await this.#take(offset, data, where)
  }

  /** What is returned is waited for, as long as too much is unsent. */
  #take(offset: number, data: Buffer, where: 'there' | 'at the end'): Soon<void> {
    if (where === 'there') this.#here.write(offset, data)
    else this.#here.append(data)
    this.#sending.pump()
    if (this.bytes > FILE_BYTES || this.#mount.budget.isExceeded) return this.#room()
  }

  /** Waits while too much is unsent. */
  async #room(): Promise<void> {
    while (this.bytes > FILE_BYTES) {
      if (this.#requests.count === 0) await this.flush()
      else await this.#requests.one().catch(() => {})
      this.#requests.throwError()
    }
    if (!this.#mount.budget.isExceeded) return
    await this.flush()
    if (this.#mount.budget.isExceeded) await this.#mount.relieve()
  }

  /** Cuts to nothing; sent with what is written next. */
  async cut(mustHold?: MustHold): Promise<void> {
    await this.#begin()
    await this.whenSettled(() => {
      mustHold?.()
      this.#here.cut()
      this.#outcomes.cut()
    })
  }

  /** Any other size. */
  resize(size: number, mustHold?: MustHold): Promise<void> {
    return this.change((ino) => this.#mount.files.setAttributes(ino, { size }), mustHold)
  }

  /** What the server does to the content without being sent bytes: at once, after what is pending. */
  async change(ask: (ino: number) => Promise<Changed>, mustHold?: MustHold): Promise<void> {
    await this.#mount.beforeSending(this.#node)
    await this.flush()
    await this.#begin()
    mustHold?.()
    const ticket = this.#mount.cache.ticket()
    this.#outcomes.confirm(await ask(this.#node.ino), 1, ticket)
  }

  async setAttributes(changes: WireAttributeChanges): Promise<void> {
    await this.#begin()
    this.#here.setAttributes(changes)
  }

  /** The server has set attributes that nobody waited for: what is set here since is not older than that. */
  wereSet({ permissions = 0 }: WireAttributes): void {
    const { base } = this.#here
    this.#here.base = { ...base, permissions: Math.max(base.permissions ?? 0, permissions) }
  }

  /** Attributes that nobody waited for, and that could not be set: they are sent later, unless others have set them meanwhile. */
  areLate(known: WireAttributes, changes: WireAttributeChanges, error: unknown): void {
    if (this.isClean) this.#outcomes.start(known)
    this.#outcomes.unanswered(error, { attributes: changes, versions: 0 })
    this.#here.areLate(changes)
  }

  /** Bytes of the file as a program must see them. `fetch` reads from the server. */
  read(
    offset: number,
    length: number,
    fetch: (offset: number, length: number) => Promise<Buffer>,
  ): Promise<Buffer> {
    return this.#here.read(offset, length, fetch)
  }

  /** Resolves once everything written before is on the server; rejects with the server's refusal. */
  flush(): Promise<void> {
    return this.#sending.flush()
  }

  /** fsync(2): resolves once it is on the server's disk. */
  sync(): Promise<void> {
    return this.#sending.sync()
  }

  /** Whether somebody else has changed the file since that was written which is not sent. */
  isOvertaken(): Promise<boolean> {
    return this.#outcomes.areOvertaken()
  }

  /** Runs in turn, while nothing is on its way: what the server refused of it is unsent again. */
  whenSettled(work: () => void): Promise<void> {
    return this.#requests.inTurn(async () => {
      await this.#requests.settled()
      work()
    })
  }

  /** Gives up what is not sent. */
  discard(): void {
    this.#here.discard()
    this.#outcomes.discard()
    this.#requests.forgetError()
  }

  /** The first change after everything was sent starts from what the server has now. */
  async #begin(): Promise<void> {
    if (!this.isClean) return
    const { cache, files } = this.#mount
    const { ino } = this.#node
    const base = cache.attributes(ino)?.value ?? (await files.stat(ino))
    if (this.isClean) this.#outcomes.start(base)
  }
}
