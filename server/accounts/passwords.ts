import argon2 from 'argon2'
import { type Hashing, type HashParameters, hashingHere } from './hashing.js'

/** OWASP's parameters for argon2id: 19 MiB, two passes, one lane. One lane keeps it on one thread of the pool. */
const PARAMETERS: HashParameters = {
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
}

/** The queue is full: the flood waits outside, not in our memory. */
export class Busy extends Error {
  override readonly name = 'Busy'
  readonly retryAfterSeconds = 5

  constructor() {
    super('too many people are signing in at this moment: try again in a few seconds')
  }
}

export type PasswordCheck =
  | { readonly kind: 'wrong' }
  | { readonly kind: 'right' }
  /** Right, and hashed with parameters that are no longer ours: store this one instead. */
  | { readonly kind: 'right'; readonly rehashed: string }

/** Hashes and checks passwords, a bounded number at a time. @throws Busy */
export interface Passwords {
  hash(password: string): Promise<string>
  /** `undefined` for an account that does not exist: it takes as long, and is wrong. */
  check(hash: string | undefined, password: string): Promise<PasswordCheck>
}

export interface PasswordOptions {
  /** How many at a time. One leaves the other threads of the pool to files, however many people log in. */
  readonly concurrency?: number
  readonly waiting?: number
  /** For the rehash test: what is hashed with other parameters is hashed again. */
  readonly parameters?: HashParameters
  /** Where they are hashed; here, unless told otherwise. */
  readonly hashing?: Hashing
}

export function passwords(options: PasswordOptions = {}): Passwords {
  const { hashing = hashingHere } = options
  const parameters = { ...PARAMETERS, ...options.parameters }
  const inTurn = boundedQueue(options.concurrency ?? 1, options.waiting ?? 64)
  const hash = (password: string) => hashing.hash(password.normalize('NFKC'), parameters)
  let decoy: Promise<string> | undefined

  return {
    hash: (password) => inTurn(() => hash(password)),
    check: (stored, password) =>
      inTurn(async () => {
        decoy ??= hash('an account that does not exist')
        const right = await hashing.verify(stored ?? (await decoy), password.normalize('NFKC'))
        if (stored === undefined || !right) return { kind: 'wrong' }
        if (!argon2.needsRehash(stored, parameters)) return { kind: 'right' }
        return { kind: 'right', rehashed: await hash(password) }
      }),
  }
}

/** Runs at most `concurrency` at a time, lets `waiting` more stand in line, and refuses the rest at once. */
function boundedQueue(concurrency: number, waiting: number) {
  let running = 0
  const line: (() => void)[] = []
  return async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= concurrency) {
      if (line.length >= waiting) throw new Busy()
      await new Promise<void>((resolve) => line.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      const next = line.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
