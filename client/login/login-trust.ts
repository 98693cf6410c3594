import type { Trust } from '../http/trust.js'
import type { TrustSource } from '../http/trusting-client.js'
import type { Account, AccountDirectory } from './account.js'
import { chosenTrust, type TrustWishes } from './trust-choice.js'

export interface LoginTrustOptions {
  readonly server: URL
  readonly wishes: TrustWishes
  readonly directory: AccountDirectory
  /** As it was loaded, and which writing of it that was. */
  readonly account: Account
  readonly written: string | undefined
  /** Told of every change: none is silent. */
  readonly changed: (trust: Trust) => void
}

/** What is trusted as of the last login: a certificate that has changed is somebody's decision, and a file's being another one is none. */
export class LoginTrust implements TrustSource {
  readonly #options: LoginTrustOptions
  #account: Account
  #written: string | undefined
  #trust: Trust
  #looking: Promise<void> | undefined

  constructor(options: LoginTrustOptions) {
    this.#options = options
    this.#account = options.account
    this.#written = options.written
    this.#trust = chosenTrust(options.server, options.wishes, options.account)
  }

  get trust(): Trust {
    return this.#trust
  }

  renew(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<void> {
    const { server, wishes, directory, changed } = this.#options
    const written = await directory.written()
    if (written === undefined || written === this.#written) return
    const account = await directory.load().catch(() => undefined)
    if (account === undefined) return
    // What was decided last counts, also over the authority that the mount was given.
    const decided = account.trust.kind !== 'system' && !isSame(account.trust, this.#account.trust)
    const trust = decided ? account.trust : trustOrNone(server, wishes, account)
    this.#written = written
    this.#account = account
    if (trust === undefined || isSame(trust, this.#trust)) return
    this.#trust = trust
    changed(trust)
  }
}

/** The file of the authority that the mount was given may have gone. */
function trustOrNone(server: URL, wishes: TrustWishes, account: Account): Trust | undefined {
  try {
    return chosenTrust(server, wishes, account)
  } catch {
    return undefined
  }
}

function isSame(one: Trust, other: Trust): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
