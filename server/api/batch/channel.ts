import type { Socket } from 'node:net'
import { FileError } from '../../errors.js'
import { Refusal } from '../../http/refusal.js'
import {
  CHANNEL_PROTOCOL,
  encodeFrame,
  FrameError,
  FrameQueue,
  type QueuedFrame,
} from '../../wire/frames.js'
import { expectedBytes } from '../exchange/answer-bytes.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Held } from '../exchange/held-answers.js'
import { LINGER_BYTES, LINGER_MILLISECONDS } from '../input/body.js'
import { freeSpent } from '../input/spent-buffers.js'
import { type Answer, answerFrame } from './operation.js'
import {
  broken,
  failure,
  GROUP_BYTES,
  hasFailed,
  MAX_HEADER_BYTES,
  perform,
  SKIPPED,
  TURN_MILLISECONDS,
} from './perform.js'
import { upgraded } from './upgrade.js'

/** Longer content goes to its operation as it comes. */
const WHOLE_BYTES = 256 * 1024
/** Once so much waits to be taken, the client has to wait too. */
const GATHERED_BYTES = 256 * 1024
const EMPTY = Buffer.alloc(0)
const CLOSING = encodeFrame({ outcome: 'closing' })

/** GET /batch with `Upgrade`: the frames of POST /batch over the bare connection, for as long as both sides like. */
export async function channel(exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const connection = upgraded(request)
  if (connection === undefined) {
    const fields = { Upgrade: CHANNEL_PROTOCOL, Connection: 'Upgrade' }
    throw new Refusal(426, `send operations with POST, or ask for ${CHANNEL_PROTOCOL}`, fields)
  }
  const { socket, closing } = connection
  if (socket.destroyed) return
  response.writeHead(101, { Connection: 'Upgrade', Upgrade: CHANNEL_PROTOCOL })
  response.end()
  const served = new Channel(exchange, socket)
  const close = () => served.closing()
  closing.addEventListener('abort', close, { once: true })
  try {
    await served.run()
  } finally {
    closing.removeEventListener('abort', close)
    socket.destroy()
  }
}

/**
 * Operations that are at hand are done one after another in the tick in which they came, as far as the engine is that quick,
 * and their answers leave together.
 */
class Channel {
  readonly #exchange: Exchange
  readonly #socket: Socket
  readonly #frames = new FrameQueue(MAX_HEADER_BYTES, WHOLE_BYTES)
  #answers: Buffer[] = []
  readonly #held: Held
  #answerBytes = 0
  #isWorking = false
  /** Of long content, what has not been taken. */
  #contentLeft = 0
  /** Whether the token was looked at since something came: what is sent after its end had been answered comes later. */
  #isLive = false
  #hasStopped = false
  #hasEnded = false
  #wake: (() => void) | undefined
  #over: (() => void) | undefined
  #failed: ((error: unknown) => void) | undefined

  constructor(exchange: Exchange, socket: Socket) {
    this.#exchange = exchange
    this.#socket = socket
    this.#held = exchange.heldAnswers.open(exchange.tree.owner, socket)
  }

  /** Resolves once the connection is closed. @throws what is nobody's fault but the server's */
  run(): Promise<void> {
    const socket = this.#socket
    // What came before the client's end is answered still.
    socket.allowHalfOpen = true
    socket.setNoDelay(true)
    return new Promise((resolve, reject) => {
      this.#over = resolve
      this.#failed = reject
      socket.on('close', this.#closed)
      socket.on('drain', this.#woken)
      socket.on('end', this.#ended)
      socket.on('data', this.#came)
    })
  }

  /** The client is asked to send no more, and to close the connection once all is answered. */
  closing(): void {
    if (this.#socket.writable) this.#socket.write(CLOSING)
  }

  readonly #came = (data: Buffer): void => {
    this.#frames.push(data)
    this.#isLive = false
    if (this.#frames.size >= GATHERED_BYTES) this.#socket.pause()
    this.#work()
  }

  readonly #ended = (): void => {
    this.#hasEnded = true
    this.#work()
  }

  readonly #closed = (): void => {
    this.#held.close()
    this.#woken()
    this.#over?.()
  }

  readonly #woken = (): void => {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #work(): void {
    if (this.#isWorking) {
      this.#woken()
      return
    }
    this.#isWorking = true
    this.#answerAll().then(
      () => {
        this.#isWorking = false
        if (this.#hasEnded) this.#socket.end()
        else if (this.#socket.isPaused()) this.#socket.resume()
      },
      (error) => this.#break(error),
    )
  }

  async #answerAll(): Promise<void> {
    let began = performance.now()
    while (!this.#socket.destroyed) {
      const frame = this.#frames.next(this.#hasEnded)
      if (frame === undefined) {
        if (this.#answerBytes > 0) await this.#send()
        else if (this.#hasEnded && this.#frames.isInFrame) throw cutOff()
        else return
        continue
      }
      if (performance.now() - began > TURN_MILLISECONDS) {
        await new Promise((resolve) => setImmediate(resolve))
        began = performance.now()
      }
      const expected = expectedBytes(frame.header)
      if (!this.#held.tryTake(expected)) await this.#waitForRoom(expected)
      if (!this.#isLive) await this.#requireLive()
      const answer = await this.#performed(frame)
      if (hasFailed(answer) && frame.header.stopOnError === true) this.#hasStopped = true
      const bytes = answerFrame(answer)
      this.#answers.push(bytes)
      this.#answerBytes += bytes.length
      this.#held.count(bytes.length - expected)
      const isRefused = this.#contentLeft > 0
      if (isRefused || this.#answerBytes >= GROUP_BYTES) await this.#send()
      if (isRefused) await this.#skipRest()
    }
  }

  /** Meanwhile the token may have come to its end. */
  async #waitForRoom(bytes: number): Promise<void> {
    if (this.#answerBytes > 0) await this.#send()
    await this.#held.take(bytes)
    this.#isLive = false
  }

  async #requireLive(): Promise<void> {
    this.#isLive = true
    const isLive = this.#exchange.isLive()
    if (typeof isLive === 'boolean' ? isLive : await isLive) return
    throw new FileError('EACCES', 'the access token has expired or was revoked')
  }

  /** What is answered already does not wait where this one does: the lease it waits for may be given back by who waits for those answers. */
  async #performed(frame: QueuedFrame): Promise<Answer> {
    const answer = this.#perform(frame)
    // Who takes long content waits for the same connection.
    if (this.#answerBytes === 0 || frame.content === undefined) return answer
    let sending: Promise<void> | undefined
    const timer = setTimeout(() => {
      sending = this.#send()
      sending.catch(() => {})
    }, TURN_MILLISECONDS)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
      await sending
    }
  }

  async #perform({ header, length, content }: QueuedFrame): Promise<Answer> {
    const most = this.#exchange.limits.uploadBytes
    if (length > most) throw new FileError('EFBIG', `a frame has at most ${most} bytes of content`)
    if (content !== undefined) {
      if (this.#hasStopped) return SKIPPED
      return perform(this.#exchange, { header, length, content: [content] })
    }
    this.#contentLeft = length
    if (this.#hasStopped) return SKIPPED
    return perform(this.#exchange, { header, length, content: this.#pieces() })
  }

  /** Long content as it comes. */
  async *#pieces(): AsyncGenerator<Buffer> {
    while (this.#contentLeft > 0) {
      const piece = this.#frames.some(this.#contentLeft)
      this.#contentLeft -= piece.length
      if (piece.length > 0) yield piece
      else await this.#more()
    }
  }

  /** What nobody wanted to read. */
  async #skipRest(): Promise<void> {
    for await (const _ of this.#pieces()) {
      // dropped
    }
  }

  /** @throws FrameError at the end of the connection */
  async #more(): Promise<void> {
    if (this.#hasEnded || this.#socket.destroyed) throw cutOff()
    this.#socket.resume()
    await this.#waking()
  }

  #waking(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** What goes out is as durable as was asked for; the next operations wait until the client has taken it. */
  async #send(): Promise<void> {
    const [only = EMPTY, ...more] = this.#answers
    const all = more.length === 0 ? only : Buffer.concat(this.#answers)
    if (more.length > 0) freeSpent(this.#answers)
    const bytes = this.#answerBytes
    this.#answers = []
    this.#answerBytes = 0
    if (this.#exchange.durability === 'power') await settled(this.#exchange)
    // the bytes of many megabytes are not left to the garbage collector, which lags behind when much is read
    this.#socket.write(all, (error) => {
      if (!error) freeSpent([all])
    })
    this.#held.sending()
    while (this.#socket.writableNeedDrain && !this.#socket.destroyed) await this.#waking()
    this.#held.sent(bytes)
  }

  /** One last answer. What is still sent is dropped, within bounds, so that the client gets to read it. */
  async #break(error: unknown): Promise<void> {
    const socket = this.#socket
    try {
      const header = failure('broken', broken(error))
      this.#answers.push(answerFrame(header))
      await this.#send()
    } catch (unexpected) {
      if (socket.destroyed) return
      this.#failed?.(unexpected)
      return
    }
    let dropped = 0
    socket.off('data', this.#came)
    socket.off('end', this.#ended)
    socket.on('data', ({ length }: Buffer) => {
      dropped += length
      if (dropped > LINGER_BYTES) socket.destroy()
    })
    socket.on('end', () => socket.destroySoon())
    const timer = setTimeout(() => socket.destroy(), LINGER_MILLISECONDS).unref()
    socket.once('close', () => clearTimeout(timer))
    socket.end()
    socket.resume()
  }
}

function cutOff(): FrameError {
  return new FrameError('the frames end in the middle of one')
}
