import type { SignKeyObjectInput } from 'node:crypto'
import { Worker } from 'node:worker_threads'

/** Under way at most; what is more waits. A power of two: the counters may run over. */
const SLOTS = 128
/** An input, and then its JWS, in base64url a third longer. */
const SLOT_BYTES = 8192
/** Characters, of three bytes of UTF-8 each, that fit in base64url beside their signature. */
export const INPUT_MAX = 2000
/** What waits for the first signatures goes on while the thread makes the others: with more of them, each waits for the other. */
const TOLD_TOGETHER = 2

/** Places of the counters, and of the flag that says: the event loop will look, it need not be woken again. */
const SENT = 0
const SIGNED = 1
const KEPT = 2
const TOLD = 3
const COUNTERS = 4
const HEAD_BYTES = (COUNTERS + SLOTS) * Int32Array.BYTES_PER_ELEMENT

/**
 * Takes the inputs in their slots one by one, and sleeps when there are none: the name of a key, a new line, the JOSE header in
 * base64url, a full stop, the payload as it is. Leaves a compact JWS in the slot. Keys come as messages.
 */
const CODE = `
const { sign } = require('node:crypto')
const { parentPort, receiveMessageOnPort, workerData } = require('node:worker_threads')
const counters = new Int32Array(workerData)
const slots = Buffer.from(workerData, ${HEAD_BYTES})
const keys = new Map()
let kept = 0
let signed = 0
let told = 0
function tell() {
  told = signed
  if (Atomics.exchange(counters, ${TOLD}, 1) === 0) parentPort.postMessage(0)
}
function jws(text) {
  const line = text.indexOf('\\n') + 1
  const payload = text.indexOf('.', line) + 1
  const encoded = text.slice(line, payload) + Buffer.from(text.slice(payload)).toString('base64url')
  const key = keys.get(text.slice(0, line - 1))
  return encoded + '.' + sign('sha256', Buffer.from(encoded, 'latin1'), key).toString('base64url')
}
for (;;) {
  if (Atomics.load(counters, ${SENT}) === signed) {
    if (told !== signed) tell()
    Atomics.wait(counters, ${SENT}, signed)
    continue
  }
  for (; kept !== Atomics.load(counters, ${KEPT}); kept++) {
    const { message } = receiveMessageOnPort(parentPort)
    keys.set(message.name, message.key)
  }
  const slot = signed & ${SLOTS - 1}
  const start = slot * ${SLOT_BYTES}
  const length = ${COUNTERS} + slot
  counters[length] = slots.write(jws(slots.toString('utf8', start, start + counters[length])), start, 'latin1')
  signed = (signed + 1) | 0
  Atomics.store(counters, ${SIGNED}, signed)
  if (((signed - told) | 0) >= ${TOLD_TOGETHER}) tell()
}`

interface Waiting {
  readonly input: string
  readonly resolve: (jws: string) => void
  readonly reject: (error: unknown) => void
}

/**
 * A thread that makes compact JWSs (RFC 7515 section 7.1) with SHA-256. Inputs and JWSs are handed over in shared memory, and each
 * side is woken only when it sleeps: a message for each, or Node's pool of threads, costs half as much again as a quick signature.
 */
export class SigningThread {
  readonly #worker: Worker
  readonly #counters: Int32Array
  readonly #slots: Buffer
  /** What the thread has, in its order. */
  readonly #sent: Waiting[] = []
  /** What has no slot yet. */
  readonly #next: Waiting[] = []
  #collected = 0
  #isWaking = false

  constructor(ended: () => void) {
    const shared = new SharedArrayBuffer(HEAD_BYTES + SLOTS * SLOT_BYTES)
    this.#counters = new Int32Array(shared, 0, COUNTERS + SLOTS)
    this.#slots = Buffer.from(shared, HEAD_BYTES)
    this.#worker = new Worker(CODE, { eval: true, execArgv: [], workerData: shared })
    this.#worker.on('message', () => this.#collect())
    this.#worker.once('error', (error) => {
      ended()
      this.#collect()
      for (const { reject } of [...this.#sent.splice(0), ...this.#next.splice(0)]) reject(error)
    })
    this.#worker.unref()
  }

  /** Before anything is signed with it; again under the same name, it replaces the one before. */
  keep(name: string, key: SignKeyObjectInput): void {
    this.#worker.postMessage({ name, key })
    Atomics.add(this.#counters, KEPT, 1)
  }

  /**
   * @param name of a key that is kept
   * @param header the JOSE header in base64url
   * @param payload the three have at most INPUT_MAX characters
   */
  sign(name: string, header: string, payload: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const input = `${name}\n${header}.${payload}`
      if (input.length > INPUT_MAX + 2) throw new RangeError('too long for the thread that signs')
      this.#next.push({ input, resolve, reject })
      this.#send()
    })
  }

  /** As much of what waits as there are slots. */
  #send(): void {
    while (this.#sent.length < SLOTS) {
      const waiting = this.#next.shift()
      if (waiting === undefined) return
      if (this.#sent.push(waiting) === 1) this.#worker.ref()
      const sent = this.#counters[SENT] ?? 0
      const slot = sent & (SLOTS - 1)
      this.#counters[COUNTERS + slot] = this.#slots.write(waiting.input, slot * SLOT_BYTES)
      Atomics.store(this.#counters, SENT, (sent + 1) | 0)
      this.#wakeSoon()
    }
  }

  /** Should it sleep. What a transaction or the end of a turn lets go on gets here before the next tick, all of it. */
  #wakeSoon(): void {
    if (this.#isWaking) return
    this.#isWaking = true
    process.nextTick(() => {
      this.#isWaking = false
      Atomics.notify(this.#counters, SENT)
    })
  }

  /** Hands out what is signed. What is signed after the look at the counter is told of by another message. */
  #collect(): void {
    Atomics.store(this.#counters, TOLD, 0)
    const signed = Atomics.load(this.#counters, SIGNED)
    while (this.#collected !== signed) {
      const slot = this.#collected & (SLOTS - 1)
      const start = slot * SLOT_BYTES
      const end = start + (this.#counters[COUNTERS + slot] ?? 0)
      this.#collected = (this.#collected + 1) | 0
      this.#sent.shift()?.resolve(this.#slots.toString('latin1', start, end))
    }
    if (this.#sent.length === 0) this.#worker.unref()
    this.#send()
  }
}

let running: SigningThread | undefined

/** The one of this process; a new one when the last has failed. */
export function signingThread(): SigningThread {
  running ??= new SigningThread(() => {
    running = undefined
  })
  return running
}
