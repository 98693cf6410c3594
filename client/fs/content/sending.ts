import { isTransient } from '../answer.js'
import type { ContentMount } from './content-mount.js'
import type { LocalContent } from './local-content.js'
import type { KnownNode } from './nodes.js'
import type { Outcomes } from './outcomes.js'
import type { RequestsUnderWay } from './requests-under-way.js'
import { type Durability, PART_BYTES, SendingSteps } from './sending-steps.js'
import { isEmptyBatch } from './unsent.js'

/** While a file is written its full blocks are sent once there are this many bytes. */
const PUMP_BYTES = 6 << 20
/** Requests under way for one file. */
const IN_FLIGHT = 4

/**
 * How what one file has here comes to the server. Long files are sent in parts while writing goes on; the rest, and the
 * attributes with it, in one request at flush. What cannot be sent stays where it is, and the next flush tries again.
 */
export class Sending {
  readonly #mount: ContentMount
  readonly #node: KnownNode
  readonly #here: LocalContent
  readonly #requests: RequestsUnderWay
  readonly #outcomes: Outcomes
  readonly #steps: SendingSteps
  /** Full blocks wait until it is known whether they may be sent. */
  #isAsking = false

  constructor(
    mount: ContentMount,
    node: KnownNode,
    here: LocalContent,
    requests: RequestsUnderWay,
    outcomes: Outcomes,
  ) {
    this.#mount = mount
    this.#node = node
    this.#here = here
    this.#requests = requests
    this.#outcomes = outcomes
    this.#steps = new SendingSteps(mount, node, here, requests, outcomes)
  }

  /** Attributes alone are under way: they are no longer pending, and not yet what the server has told. */
  get sendsAttributes(): boolean {
    return this.#steps.sendsAttributes
  }

  /** Resolves once everything written before is on the server; rejects with the server's refusal. */
  flush(): Promise<void> {
    return this.#afterAsking(() => this.#send('process'))
  }

  /** Resolves once it is on the server's disk. */
  sync(): Promise<void> {
    return this.#afterAsking(async () => {
      const sent = await this.#send(this.#mount.files.journals === true ? 'process' : 'power')
      if (sent === 'durable') return
      await this.#mount.files.sync(this.#node.ino)
    })
  }

  /** Sends full blocks of a long file while writing goes on. */
  pump(): void {
    const { unsent, birth, isCut } = this.#here
    if (unsent.waitingBytes < PUMP_BYTES) return
    if (birth !== undefined || isCut || unsent.hasAppended) {
      this.#requests.unheard(this.flush())
      return
    }
    if (this.#isAsking) return
    const asked = this.#asked()
    if (asked !== undefined) {
      this.#requests.unheard(this.#pumpAfter(asked))
      return
    }
    while (this.#requests.count < IN_FLIGHT && unsent.waitingBytes >= PUMP_BYTES) {
      const batch = unsent.take('full blocks', PART_BYTES)
      if (isEmptyBatch(batch)) return
      this.#requests.unheard(this.#steps.bytes(batch, {}, 'process'))
    }
  }

  async #pumpAfter(asked: Promise<void>): Promise<void> {
    this.#isAsking = true
    try {
      await asked
    } finally {
      this.#isAsking = false
    }
    this.pump()
  }

  /** Not in turn: what is found out may be that all is to be given up. */
  #afterAsking(work: () => Promise<unknown>): Promise<void> {
    const inTurn = () => this.#requests.inTurn(work)
    const { isSent } = this.#here
    const asked = isSent ? undefined : this.#asked()
    return asked === undefined ? inTurn() : asked.then(inTurn)
  }

  /** Undefined if nothing is in doubt. Without an answer what was to be sent is late, as after a request that failed. */
  #asked(): Promise<void> | undefined {
    return this.#mount.beforeSending(this.#node)?.catch((error: unknown) => {
      this.#here.pending.areLate(this.#here.base)
      if (isTransient(error)) this.#outcomes.delayed()
      throw error
    })
  }

  /** @returns `durable` if with the last request everything became as durable as was asked for */
  async #send(durability: Durability): Promise<'sent' | 'durable'> {
    this.#requests.forgetError()
    let last: 'sent' | 'durable' = 'sent'
    for (;;) {
      if (!this.#outcomes.areDecided) await this.#decide()
      else if (this.#here.birth !== undefined) await this.#steps.birth(this.#here.birth, durability)
      else if (this.#here.isCut) await this.#steps.cut(durability)
      else if (!this.#here.unsent.hasSentAll) await this.#sendNext(durability)
      else if (this.#requests.count > 0) await this.#requests.all()
      else if (!this.#here.isSent) await this.#steps.attributes(durability)
      else break
      last = durability === 'power' && this.#steps.lastDurability === 'power' ? 'durable' : 'sent'
      this.#requests.throwError()
    }
    this.#here.allSent()
    return last
  }

  /** What is found to be done may have been done just now, and need not be on the disk. */
  async #decide(): Promise<void> {
    this.#steps.lastDurability = 'process'
    await this.#outcomes.decide()
  }

  /** Sends the next part; the last one waits for the others and carries the attributes. */
  async #sendNext(durability: Durability): Promise<void> {
    if (this.#requests.count >= IN_FLIGHT) await this.#requests.one()
    const batch = this.#here.unsent.take('all', PART_BYTES)
    if (!isEmptyBatch(batch) && !this.#here.unsent.hasSentAll) {
      void this.#steps.bytes(batch, {}, 'process')
      return
    }
    try {
      await this.#requests.all()
    } catch (error) {
      this.#here.unsent.putBack(batch)
      throw error
    }
    if (!isEmptyBatch(batch)) await this.#steps.bytes(batch, this.#here.pending.take(), durability)
  }
}
