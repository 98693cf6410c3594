import type { Lock, WireLockAnswer } from '../../../server/wire/locks.js'
import type { LeaseWish } from '../../remote/remote-files.js'

/** A lock that is asked for with an inode before there is one, and what became of it. */
export class WishedLock implements LeaseWish {
  readonly request: string
  readonly lock: Lock
  /** When it was asked for (`Lease`), and after how many times of telling the server what is held. */
  readonly start: readonly number[]
  readonly claims: number
  #answer: WireLockAnswer | undefined

  constructor(
    wanted: { readonly request: string; readonly lock: Lock },
    asked: { readonly start: readonly number[]; readonly claims: number },
  ) {
    this.request = wanted.request
    this.lock = wanted.lock
    this.start = asked.start
    this.claims = asked.claims
  }

  answered(answer: WireLockAnswer): void {
    this.#answer = answer
  }

  /** How long it may be believed in, once it is granted. */
  get lease(): number {
    return this.#answer?.state === 'granted' ? this.#answer.lease : 0
  }

  /** @returns `unknown` unless it is sure that nothing of the inode was changed since it was made in this version */
  outcome(version: number): 'granted' | 'refused' | 'unknown' {
    const answer = this.#answer
    if (answer?.state === 'refused') return 'refused'
    const isGranted = answer?.state === 'granted' && answer.delegated
    return isGranted && answer.version === version ? 'granted' : 'unknown'
  }
}
