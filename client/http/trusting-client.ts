import type { Client } from './api.js'
import type { Duplex } from './duplex.js'
import { ExchangeError } from './exchange.js'
import type { Trust } from './trust.js'

/** Which certificates are trusted while a mount lasts. */
export interface TrustSource {
  readonly trust: Trust
  /** A certificate was refused: `trust` is another one from then on if a login has decided so. */
  renew(): Promise<void>
}

/**
 * A client that goes on with what a login has decided meanwhile. Nothing was sent to a server that was refused, so such a
 * request counts as one that found no server, and is tried again.
 */
export function trustingClient(source: TrustSource, open: (trust: Trust) => Client): Client {
  let trust = source.trust
  let client = open(trust)
  const current = (): Client => {
    if (source.trust === trust) return client
    client.close() // whoever is at its other end is not to be trusted any more
    trust = source.trust
    client = open(trust)
    return client
  }
  const explained = async (error: unknown, tried: Trust): Promise<unknown> => {
    if (!(error instanceof ExchangeError) || error.kind !== 'untrusted') return error
    await source.renew()
    if (source.trust === tried) return error
    const message = 'a login has decided which certificate is trusted'
    return new ExchangeError('unreachable', message, { cause: error })
  }
  async function asTrusted<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const tried = source.trust
    try {
      return await work(current())
    } catch (error) {
      throw await explained(error, tried)
    }
  }
  async function* answerAsTrusted({ answer }: Duplex): AsyncGenerator<Buffer> {
    const tried = source.trust
    try {
      yield* answer
    } catch (error) {
      throw await explained(error, tried)
    }
  }

  return {
    send: (exchange) => asTrusted((at) => at.send(exchange)),
    async duplex(exchange, isWaiting) {
      const duplex = await current().duplex(exchange, isWaiting)
      return { ...duplex, answer: answerAsTrusted(duplex) }
    },
    upgrade: (exchange, receiver) => asTrusted((at) => at.upgrade(exchange, receiver)),
    forgetIdle: () => current().forgetIdle(),
    close: () => client.close(),
  }
}
