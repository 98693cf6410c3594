import { FuseError } from './errno.js'
import type { Context } from './filesystem.js'
import { isSame, type Unique } from './integers.js'
import type { Busy } from './invalidation.js'
import type { OperationName } from './protocol.js'
import type { Header } from './request.js'

/** What some requests say of their caller. */
type Flags = Pick<Required<Context>, 'fromPages' | 'killPrivileges'>

/** A request under way: its context, and whether its caller has been interrupted. */
export class Call implements Context {
  readonly op: OperationName
  readonly unique: Unique
  readonly descriptor: number
  readonly node: number
  readonly uid: number
  readonly gid: number
  readonly pid: number
  readonly killPrivileges: boolean
  readonly fromPages: boolean
  /** Since when it waits, by the monotonic clock. */
  since = 0
  /** The kernel has its answer; whatever the operation still brings is given back. */
  answered = false
  /** Keeps invalidations of the node waiting. */
  busy: Busy | undefined
  #interrupted = false
  #afterwards: (() => void)[] | undefined
  #controller: AbortController | undefined

  constructor(op: OperationName, header: Header, descriptor: number, fields: object) {
    this.op = op
    this.unique = header.unique
    this.descriptor = descriptor
    this.node = header.node
    this.uid = header.uid
    this.gid = header.gid
    this.pid = header.pid
    const { fromPages, killPrivileges }: Partial<Flags> = fields
    this.fromPages = fromPages === true
    this.killPrivileges = killPrivileges === true
  }

  get interrupted(): boolean {
    return this.#interrupted
  }

  /** Made only when somebody asks: most operations never do, and it is dear. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#interrupted) this.interrupt()
    }
    return this.#controller.signal
  }

  afterwards(work: () => void): void {
    this.#afterwards ??= []
    this.#afterwards.push(work)
  }

  /** It is answered, or nobody waits for an answer. */
  over(): void {
    for (const work of this.#afterwards?.splice(0) ?? []) work()
  }

  interrupt(): void {
    this.#interrupted = true
    this.#controller?.abort(new FuseError('EINTR', `${this.op} was interrupted`))
  }
}

export function callOf(unique: Unique, calls: Iterable<Call>): Call | undefined {
  for (const call of calls) if (isSame(call.unique, unique)) return call
  return undefined
}
