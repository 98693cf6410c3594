/** As often as a port is drawn before there is none that is free everywhere. */
const DRAWS = 16

/** What listens, and where. */
export interface Listening {
  readonly port: number
  close(): unknown
}

/** Listens on an address; port 0 is one that the system draws. */
export type ListenOn<T extends Listening> = (address: string, port: number) => Promise<T>

export interface OnOnePort<T extends Listening> {
  readonly listening: readonly T[]
  /** Why there is nothing on the other addresses. */
  readonly failures: readonly unknown[]
}

/**
 * Listens on the same port of all addresses, as far as that can be done. A port that is drawn is free on the first address
 * alone: where another program has it on a second one, the next is drawn.
 */
export async function onOnePort<T extends Listening>(
  addresses: readonly string[],
  port: number,
  listenOn: ListenOn<T>,
): Promise<OnOnePort<T>> {
  for (let draw = 1; ; draw++) {
    const outcome = await once(addresses, port, listenOn)
    const isTaken = port === 0 && outcome.failures.some(isInUse)
    if (!isTaken || draw === DRAWS) return outcome
    for (const each of outcome.listening) each.close()
  }
}

async function once<T extends Listening>(
  addresses: readonly string[],
  wanted: number,
  listenOn: ListenOn<T>,
): Promise<OnOnePort<T>> {
  const listening: T[] = []
  const failures: unknown[] = []
  for (const address of addresses) {
    try {
      listening.push(await listenOn(address, listening[0]?.port ?? wanted))
    } catch (cause) {
      failures.push(cause)
    }
  }
  return { listening, failures }
}

function isInUse(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
}
