import { type ChildProcess, fork } from 'node:child_process'
import argon2 from 'argon2'

export interface HashParameters {
  readonly memoryCost: number
  readonly timeCost: number
  readonly parallelism: number
}

/** argon2id, wherever it is computed. */
export interface Hashing {
  hash(password: string, parameters: HashParameters): Promise<string>
  verify(hash: string, password: string): Promise<boolean>
}

export type Question =
  | { readonly kind: 'hash'; readonly password: string; readonly parameters: HashParameters }
  | { readonly kind: 'verify'; readonly password: string; readonly hash: string }
export type Asked = Question & { readonly id: number }
export type Answered =
  | { readonly id: number; readonly kind: 'answer'; readonly answer: string | boolean }
  | { readonly id: number; readonly kind: 'failed'; readonly message: string }

/** In this process, on a thread of the pool. */
export const hashingHere: Hashing = {
  hash: (password, parameters) => argon2.hash(password, { type: argon2.argon2id, ...parameters }),
  verify: (hash, password) => argon2.verify(hash, password),
}

export function compute(question: Question): Promise<string | boolean> {
  switch (question.kind) {
    case 'hash':
      return hashingHere.hash(question.password, question.parameters)
    case 'verify':
      return hashingHere.verify(question.hash, question.password)
  }
}

interface Waiting {
  readonly question: Question
  readonly resolve: (answer: string | boolean | Promise<string | boolean>) => void
  readonly reject: (error: Error) => void
}

/**
 * In a process of the lowest priority: a flood of logins takes what processor time files leave, and no more. It is started
 * when it is first needed and ends with this one. What it does not answer, for it cannot be started or dies, is computed
 * here; the next question starts it anew. How many ask at a time is bounded by who asks.
 */
export class HashingProcess implements Hashing {
  readonly #waiting = new Map<number, Waiting>()
  #child: ChildProcess | undefined
  #count = 0
  #closed = false

  async hash(password: string, parameters: HashParameters): Promise<string> {
    return String(await this.#ask({ kind: 'hash', password, parameters }))
  }

  async verify(hash: string, password: string): Promise<boolean> {
    return (await this.#ask({ kind: 'verify', hash, password })) === true
  }

  /** Undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** What is asked from now on is computed here. */
  close(): void {
    this.#closed = true
    this.#child?.kill('SIGKILL')
  }

  #ask(question: Question): Promise<string | boolean> {
    if (this.#closed) return compute(question)
    return new Promise((resolve, reject) => {
      const id = ++this.#count
      this.#waiting.set(id, { question, resolve, reject })
      const child = this.#running()
      child?.send({ id, ...question } satisfies Asked, (error) => {
        if (error !== null) this.#computeHere(id)
      })
      if (child === undefined) this.#computeHere(id)
    })
  }

  #running(): ChildProcess | undefined {
    if (this.#child !== undefined) return this.#child
    try {
      const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
      // Nothing of our environment: secrets may be in there.
      const child = fork(new URL(`hashing-process.${extension}`, import.meta.url), {
        env: {},
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      })
      child.on('message', (answered: Answered) => this.#answered(answered))
      child.on('error', () => this.#gone(child))
      child.once('exit', () => this.#gone(child))
      child.unref()
      child.channel?.unref()
      this.#child = child
      return child
    } catch {
      return undefined
    }
  }

  #answered(answered: Answered): void {
    const waiting = this.#waiting.get(answered.id)
    this.#waiting.delete(answered.id)
    if (answered.kind === 'answer') waiting?.resolve(answered.answer)
    else waiting?.reject(new Error(answered.message))
  }

  #gone(child: ChildProcess): void {
    if (this.#child !== child) return
    this.#child = undefined
    for (const id of [...this.#waiting.keys()]) this.#computeHere(id)
  }

  #computeHere(id: number): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.resolve(compute(waiting.question))
  }
}
