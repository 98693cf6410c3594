import type { KeyObject } from 'node:crypto'

const KEYS_MAX = 1000

/** Keys that signed a proof lately, by their thumbprints: making one of its JWK costs as much as verifying with it. */
export class ProofKeys {
  readonly #keys = new Map<string, KeyObject>()

  get(jkt: string): KeyObject | undefined {
    return this.#keys.get(jkt)
  }

  keep(jkt: string, key: KeyObject): void {
    if (this.#keys.has(jkt)) return
    const [oldest] = this.#keys.keys()
    if (this.#keys.size >= KEYS_MAX && oldest !== undefined) this.#keys.delete(oldest)
    this.#keys.set(jkt, key)
  }
}
