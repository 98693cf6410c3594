import { close, write, writeSync, writevSync } from 'node:fs'
import { constants } from 'node:os'
import { promisify } from 'node:util'
import { Call, callOf } from './call.js'
import { errnoOf, FuseError, namedErrno } from './errno.js'
import type { FileSystem } from './filesystem.js'
import { agreedFlags } from './handshake.js'
import type { Unique } from './integers.js'
import { INVALIDATION_THREADS, Invalidations } from './invalidation.js'
import {
  type Answer,
  CLOSING,
  done,
  HOLDING_NOTHING,
  LOCKING,
  NAMING,
  needsBuffer,
  OPERATIONS,
  type Operation,
  READ_ONLY,
  undo,
} from './operations.js'
import { INIT, KERNEL_VERSION, OLDEST_MINOR_VERSION, OUT_HEADER_SIZE } from './protocol.js'
import { type Accepted, type Device, MOST_READERS, Reader } from './reader.js'
import { initOut, outHeader } from './reply.js'
import { type Header, header, type Request, type Requests, request } from './request.js'
import type { Soon } from './soon.js'
import { isToldToEnd } from './told-to-end.js'

/** Threads of libuv that the session occupies; what is more than these is left for everything else. */
export const SESSION_THREADS = MOST_READERS + INVALIDATION_THREADS

/** Every structure but listings, which are answered as bytes. */
const LARGEST_STRUCTURE = 512

/** Where an answer goes: a request is answered over the descriptor it came by. */
interface Asked {
  readonly unique: Unique
  readonly descriptor: number
}

/** How long an operation may take before a signal to its program ends it. */
const PATIENCE_MILLISECONDS = 1000
/** How often it is looked for one that does: the kernel tells of the first signal alone. */
const LOOK_MILLISECONDS = 250

const written = promisify(write)

/** Speaks with the kernel over one mounted descriptor until the mount is gone. */
export class Session {
  /** The handshake is done. */
  readonly ready: Promise<void>
  /** The mount is gone, and the file system knows. */
  readonly ended: Promise<void>
  readonly #device: Device
  readonly #reader: Reader
  readonly #fs: FileSystem
  readonly #calls = new Set<Call>()
  readonly #invalidations: Invalidations
  readonly #out = Buffer.alloc(OUT_HEADER_SIZE + LARGEST_STRUCTURE)
  readonly #outHeader = Buffer.alloc(OUT_HEADER_SIZE)
  #settleReady: { resolve: () => void; reject: (error: unknown) => void }
  #idle: () => void = () => undefined

  constructor(device: Device, fs: FileSystem) {
    this.#device = device
    this.#fs = fs
    const tell = (message: Buffer) => written(device.descriptor, message)
    this.#invalidations = new Invalidations(tell, Date.now)
    const settle = { resolve: () => {}, reject: (_: unknown) => {} }
    this.ready = new Promise((resolve, reject) => {
      settle.resolve = resolve
      settle.reject = reject
    })
    this.#settleReady = settle
    let settleEnded: (ending: Promise<void>) => void = () => {}
    this.ended = new Promise((resolve) => {
      settleEnded = resolve
    })
    this.#reader = new Reader(device, {
      accept: (buffer, length, descriptor) => this.#accept(buffer, length, descriptor),
      ended: () => settleEnded(this.#end()),
    })
    this.#reader.start()
  }

  #accept(buffer: Buffer, length: number, descriptor: number): Accepted {
    const from = header(buffer)
    const asked = { unique: from.unique, descriptor }
    let message: Request
    try {
      message = request(buffer, length)
    } catch (error) {
      this.#answerErrno(asked, errnoOf(error))
      return 'answered'
    }
    switch (message.op) {
      case 'init':
        this.#init(asked, message.fields)
        return 'answered'
      case 'forget':
        this.#fs.forget(from.node, message.fields.count)
        return 'answered'
      case 'batch_forget':
        for (const { node, count } of message.fields.nodes) this.#fs.forget(node, count)
        return 'answered'
      case 'interrupt':
        this.#interrupt(from.unique, message.fields.target)
        return 'answered'
      case 'destroy':
        this.#answer(asked, done)
        return 'answered'
      default:
        return this.#run(from, descriptor, message, buffer)
    }
  }

  /** What is known is answered before this returns; only what is not is kept as a call under way. */
  #run<Op extends Operation>(
    from: Header,
    descriptor: number,
    message: Request<Op>,
    buffer: Buffer,
  ): 'answered' | 'waiting' | 'waiting with its buffer' {
    const call = new Call(message.op, from, descriptor, message.fields)
    let answer: Soon<Answer>
    try {
      answer = OPERATIONS[message.op](this.#fs, call.node, message.fields, call)
    } catch (error) {
      this.#fail(call, error)
      call.over()
      return 'answered'
    }
    if (!(answer instanceof Promise)) {
      this.#settle(call, answer)
      call.over()
      return 'answered'
    }
    const keeps = needsBuffer(message as Request)
    this.#await(call, answer, keeps ? buffer : undefined)
    return keeps ? 'waiting with its buffer' : 'waiting'
  }

  #await(call: Call, answer: Promise<Answer>, buffer: Buffer | undefined): void {
    call.since = performance.now()
    if (!HOLDING_NOTHING.has(call.op)) {
      const held = NAMING.has(call.op) ? 'names' : 'pages'
      call.busy = this.#invalidations.operationBegins(call.node, held)
    }
    this.#calls.add(call)
    const over = () => {
      call.over()
      if (buffer !== undefined) this.#reader.give(buffer)
      this.#calls.delete(call)
      if (call.busy !== undefined) this.#invalidations.operationEnds(call.busy)
      if (this.#calls.size === 0) this.#idle()
    }
    void answer
      .then(
        (known) => this.#settle(call, known),
        (error) => this.#fail(call, error),
      )
      .then(over, over)
  }

  #settle(call: Call, answer: Answer): void {
    if (call.answered || !this.#answer(call, answer)) undo(answer)
    else this.#invalidations.answered(answer)
  }

  #fail(call: Call, error: unknown): void {
    if (call.answered) return
    const errno = namedErrno(error) ?? (call.interrupted ? constants.errno.EINTR : undefined)
    if (errno === undefined) this.#fs.failed?.(call.op, error)
    this.#answerErrno(call, errno ?? constants.errno.EIO)
  }

  #init(asked: Asked, { major, minor, maxReadahead, flags }: Requests['init']): void {
    if (major < KERNEL_VERSION || (major === KERNEL_VERSION && minor < OLDEST_MINOR_VERSION)) {
      const message = `the kernel speaks FUSE ${major}.${minor}; 7.${OLDEST_MINOR_VERSION} (Linux 3.15) is needed`
      this.#answerErrno(asked, constants.errno.EPROTO)
      this.#settleReady.reject(new FuseError('EPROTO', message))
      return
    }
    const agreed = { maxReadahead, flags: agreedFlags(flags, this.#fs) }
    // A kernel with a later major version comes again with ours.
    const encode = (out: Buffer, at: number) => initOut(out, at, agreed)
    if (major > KERNEL_VERSION) {
      this.#answer(asked, { kind: 'structure', encode })
      return
    }
    this.#invalidations.canExpire = (flags & INIT.HAS_EXPIRE_ONLY) !== 0n
    this.#fs.init?.(this.#invalidations)
    this.#answer(asked, { kind: 'structure', encode })
    this.#settleReady.resolve()
  }

  /**
   * Somebody interrupted a program that waits for us. Programs get signals all the time (timers, children, a runtime's own),
   * and few expect EINTR from stat(2) or write(2), however long these take: so what is stuck ends once the program is told to
   * end. A lock is another thing: who waits for one sets a timer for it.
   */
  #interrupt(unique: Unique, target: Unique): void {
    const call = callOf(target, this.#calls)
    if (call === undefined) {
      // Either long answered, or read by another thread and not yet seen here: EAGAIN has the kernel send it again. It looks
      // for the request only among those of the descriptor we answer over.
      for (const descriptor of this.#descriptors()) {
        this.#answerErrno({ unique, descriptor }, constants.errno.EAGAIN)
      }
      return
    }
    if (LOCKING.has(call.op)) call.interrupt()
    else this.#endOnceTold(call)
  }

  /** What changes nothing need not be waited for; the rest decides for itself. */
  #endOnceTold(call: Call): void {
    if (call.answered || !this.#calls.has(call)) return
    const rest = call.since + PATIENCE_MILLISECONDS - performance.now()
    if (rest > 0 || !isToldToEnd(call.pid)) {
      setTimeout(() => this.#endOnceTold(call), Math.max(rest, LOOK_MILLISECONDS)).unref()
      return
    }
    call.interrupt()
    if (!READ_ONLY.has(call.op)) return
    call.answered = true
    this.#answerErrno(call, constants.errno.EINTR)
    if (call.busy !== undefined) this.#invalidations.operationEnds(call.busy)
  }

  /** @returns whether the kernel took the answer; it does not when the caller has gone */
  #answer(asked: Asked, answer: Answer): boolean {
    try {
      switch (answer.kind) {
        case 'status':
          return this.#answerErrno(asked, answer.errno)
        case 'structure': {
          const length = answer.encode(this.#out, OUT_HEADER_SIZE)
          outHeader(this.#out, length, 0, asked.unique)
          return this.#send(asked, this.#out.subarray(0, length))
        }
        case 'bytes':
          outHeader(this.#outHeader, OUT_HEADER_SIZE + answer.data.length, 0, asked.unique)
          return this.#send(asked, this.#outHeader, answer.data)
      }
    } catch (error) {
      // Our answer made no sense to Node or the kernel: a defect, but the program must not wait for ever.
      this.#fs.failed?.('answer', error)
      this.#answerErrno(asked, constants.errno.EIO)
      return false
    }
  }

  #answerErrno(asked: Asked, errno: number): boolean {
    outHeader(this.#out, OUT_HEADER_SIZE, -errno, asked.unique)
    try {
      return this.#send(asked, this.#out.subarray(0, OUT_HEADER_SIZE))
    } catch (error) {
      this.#fs.failed?.('answer', error)
      return false
    }
  }

  #send({ descriptor }: Asked, message: Buffer, data?: Buffer): boolean {
    if (this.#reader.isGone) return false
    try {
      if (data === undefined) writeSync(descriptor, message)
      else writevSync(descriptor, [message, data])
      return true
    } catch (error) {
      const errno = namedErrno(error)
      if (errno === constants.errno.ENOENT) return false
      if (errno === constants.errno.ENODEV || errno === constants.errno.EPERM) return false
      throw error
    }
  }

  #descriptors(): number[] {
    const { descriptor, watched } = this.#device
    return watched === undefined ? [descriptor] : [descriptor, watched.descriptor]
  }

  /** Readers wait for an answer nobody takes; what changes something is let finish, and `destroy` sends what is written. */
  async #end(): Promise<void> {
    this.#settleReady.reject(new FuseError('ENODEV', 'the mount ended before it began'))
    this.#invalidations.close()
    for (const call of this.#calls) {
      if (CLOSING.has(call.op)) this.#calls.delete(call)
      else if (READ_ONLY.has(call.op) || LOCKING.has(call.op)) call.interrupt()
    }
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    for (const descriptor of this.#descriptors()) await promisify(close)(descriptor)
    await this.#fs.destroy?.()
  }
}
