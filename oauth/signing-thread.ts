import type { SignKeyObjectInput } from 'node:crypto'
import { Worker } from 'node:worker_threads'

/** What waits for the first signatures goes on while the thread makes the others: with more of them, each waits for the other. */
const TOLD_TOGETHER = 2

/**
 * Takes a key under its name, or a name and what is to be signed with it, a line each: the JOSE header in base64url, a full stop,
 * the payload as it is. Answers with a compact JWS a line, a few lines at a time. Lines, for a list costs more to hand over than
 * a text.
 */
const CODE = `
const { sign } = require('node:crypto')
const { parentPort } = require('node:worker_threads')
const keys = new Map()
parentPort.on('message', (message) => {
  if (typeof message !== 'string') return keys.set(message.name, message.key)
  const [name, ...inputs] = message.split('\\n')
  const key = keys.get(name)
  const signed = []
  for (const [index, input] of inputs.entries()) {
    const payload = input.indexOf('.') + 1
    const encoded = input.slice(0, payload) + Buffer.from(input.slice(payload)).toString('base64url')
    signed.push(encoded + '.' + sign('sha256', Buffer.from(encoded, 'latin1'), key).toString('base64url'))
    if (signed.length < ${TOLD_TOGETHER} && index + 1 < inputs.length) continue
    parentPort.postMessage(signed.join('\\n'))
    signed.length = 0
  }
})`

interface Waiting {
  readonly input: string
  readonly resolve: (jws: string) => void
  readonly reject: (error: unknown) => void
}

/**
 * A thread that makes compact JWSs (RFC 7515 section 7.1) with SHA-256, and is handed together what is wanted at one time: handed
 * one by one to Node's pool of threads, a quick signature costs half as much again in waking threads and being told.
 */
export class SigningThread {
  readonly #worker: Worker
  /** By name of the key; what is to be signed next. */
  readonly #next = new Map<string, Waiting[]>()
  /** What the thread has, in its order. */
  readonly #sent: Waiting[] = []

  constructor(ended: () => void) {
    this.#worker = new Worker(CODE, { eval: true, execArgv: [] })
    this.#worker.on('message', (lines: string) => {
      const signed = lines.split('\n')
      const waiting = this.#sent.splice(0, signed.length)
      if (this.#sent.length === 0) this.#worker.unref()
      for (const [index, { resolve }] of waiting.entries()) resolve(signed[index] ?? '')
    })
    this.#worker.once('error', (error) => {
      ended()
      const lost = [...this.#sent.splice(0), ...[...this.#next.values()].flat()]
      this.#next.clear()
      for (const { reject } of lost) reject(error)
    })
    this.#worker.unref()
  }

  /** Before anything is signed with it; again under the same name, it replaces the one before. */
  keep(name: string, key: SignKeyObjectInput): void {
    this.#worker.postMessage({ name, key })
  }

  /**
   * @param name of a key that is kept
   * @param header the JOSE header in base64url
   * @param payload in one line
   */
  sign(name: string, header: string, payload: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const waiting = { input: `${header}.${payload}`, resolve, reject }
      const next = this.#next.get(name)
      if (next !== undefined) {
        next.push(waiting)
        return
      }
      // What a transaction or the end of a turn lets go on gets here before the next tick, all of it.
      if (this.#next.size === 0) process.nextTick(() => this.#send())
      this.#next.set(name, [waiting])
    })
  }

  #send(): void {
    this.#worker.ref()
    for (const [name, batch] of this.#next) {
      this.#sent.push(...batch)
      this.#worker.postMessage(`${name}\n${batch.map(({ input }) => input).join('\n')}`)
    }
    this.#next.clear()
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
