import { type SignKeyObjectInput, sign } from 'node:crypto'
import { Worker } from 'node:worker_threads'

/** Under way at most; what is more waits. A power of two: the counters may run over. */
const SLOTS = 128
/** An input, and then its JWS, in base64url a third longer. */
const SLOT_BYTES = 8192
/** Characters, of three bytes of UTF-8 each, that fit in base64url beside their signature. */
export const INPUT_MAX = 2000
/** What waits for the first signatures goes on while the thread makes the others: with more of them, each waits for the other. */
const TOLD_TOGETHER = 2
/** Where so many wait, the event loop makes one of them whenever it would wait itself. */
const BEHIND = 2

/** Places of the counters, and of the flag that says: the event loop will look, it need not be woken again. */
const SENT = 0
const TAKEN = 1
const KEPT = 2
const TOLD = 3
/** Then, for each slot, the length of what is in it, */
const LENGTHS = 4
/** and whether that is the JWS. */
const DONE = LENGTHS + SLOTS
const HEAD_BYTES = (DONE + SLOTS) * Int32Array.BYTES_PER_ELEMENT

/**
 * Takes the inputs in their slots one by one, unless the event loop has taken them, and sleeps when there are none: the name of a key, a
 * new line, the JOSE header in base64url, a full stop, the payload as it is. Leaves a compact JWS in the slot. Keys come as messages.
 */
const CODE = `
const { sign } = require('node:crypto')
const { parentPort, receiveMessageOnPort, workerData } = require('node:worker_threads')
const counters = new Int32Array(workerData)
const slots = Buffer.from(workerData, ${HEAD_BYTES})
const keys = new Map()
let kept = 0
let untold = 0
function tell() {
  untold = 0
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
  const taken = Atomics.load(counters, ${TAKEN})
  if (Atomics.load(counters, ${SENT}) === taken) {
    if (untold > 0) tell()
    Atomics.wait(counters, ${SENT}, taken)
    continue
  }
  if (Atomics.compareExchange(counters, ${TAKEN}, taken, (taken + 1) | 0) !== taken) continue
  for (; kept !== Atomics.load(counters, ${KEPT}); kept++) {
    const { message } = receiveMessageOnPort(parentPort)
    keys.set(message.name, message.key)
  }
  const slot = taken & ${SLOTS - 1}
  const start = slot * ${SLOT_BYTES}
  const length = ${LENGTHS} + slot
  counters[length] = slots.write(jws(slots.toString('utf8', start, start + counters[length])), start, 'latin1')
  Atomics.store(counters, ${DONE} + slot, 1)
  untold++
  if (untold >= ${TOLD_TOGETHER}) tell()
}`

/**
 * JWS Signing Input (RFC 7515 section 2).
 * @param header the JOSE header in base64url
 */
export function signingInput(header: string, payload: string): string {
  return `${header}.${Buffer.from(payload).toString('base64url')}`
}

interface Waiting {
  readonly name: string
  /** The JOSE header in base64url. */
  readonly header: string
  readonly payload: string
  readonly resolve: (jws: string) => void
  readonly reject: (error: unknown) => void
}

/**
 * A thread that makes compact JWSs (RFC 7515 section 7.1) with SHA-256. Inputs and JWSs are handed over in shared memory, and each
 * side is woken only when it sleeps: a message for each, or Node's pool of threads, costs half as much again as a quick signature.
 * Where the thread is behind and the event loop has nothing else to do, it makes some itself.
 */
export class SigningThread {
  readonly #worker: Worker
  readonly #counters: Int32Array
  readonly #slots: Buffer
  readonly #keys = new Map<string, SignKeyObjectInput>()
  /** What the thread has, in its order. */
  readonly #sent: Waiting[] = []
  /** What has no slot yet. */
  readonly #next: Waiting[] = []
  #collected = 0
  #isWaking = false
  #isHelping = false

  constructor(ended: () => void) {
    const shared = new SharedArrayBuffer(HEAD_BYTES + SLOTS * SLOT_BYTES)
    this.#counters = new Int32Array(shared, 0, DONE + SLOTS)
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
    this.#keys.set(name, key)
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
      if (name.length + header.length + payload.length > INPUT_MAX)
        throw new RangeError('too long for the thread that signs')
      this.#next.push({ name, header, payload, resolve, reject })
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
      const { name, header, payload } = waiting
      const input = `${name}\n${header}.${payload}`
      this.#counters[LENGTHS + slot] = this.#slots.write(input, slot * SLOT_BYTES)
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
      this.#helpSoon()
    })
  }

  /** Once what else there is to do in this turn is done. */
  #helpSoon(): void {
    if (this.#isHelping || this.#behind() < BEHIND) return
    this.#isHelping = true
    setImmediate(() => {
      this.#isHelping = false
      if (this.#behind() < BEHIND) return
      this.#help()
      this.#helpSoon()
    })
  }

  /** How many of those that wait nobody has taken. */
  #behind(): number {
    if (this.#sent.length === 0) return 0
    return ((this.#counters[SENT] ?? 0) - Atomics.load(this.#counters, TAKEN)) | 0
  }

  /** Makes the next one, unless the thread was faster. */
  #help(): void {
    const taken = Atomics.load(this.#counters, TAKEN)
    const waiting = this.#sent[(taken - this.#collected) | 0]
    if (waiting === undefined) return
    const key = this.#keys.get(waiting.name)
    if (key === undefined) return
    const next = (taken + 1) | 0
    if (Atomics.compareExchange(this.#counters, TAKEN, taken, next) !== taken) return
    const input = signingInput(waiting.header, waiting.payload)
    const signature = sign('sha256', Buffer.from(input, 'latin1'), key).toString('base64url')
    const slot = taken & (SLOTS - 1)
    const start = slot * SLOT_BYTES
    this.#counters[LENGTHS + slot] = this.#slots.write(`${input}.${signature}`, start, 'latin1')
    Atomics.store(this.#counters, DONE + slot, 1)
    this.#collect()
  }

  /** Hands out what is signed, in order. What is signed after the look at it is told of by another message. */
  #collect(): void {
    Atomics.store(this.#counters, TOLD, 0)
    for (;;) {
      const slot = this.#collected & (SLOTS - 1)
      if (Atomics.load(this.#counters, DONE + slot) === 0) break
      Atomics.store(this.#counters, DONE + slot, 0)
      const start = slot * SLOT_BYTES
      const end = start + (this.#counters[LENGTHS + slot] ?? 0)
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
