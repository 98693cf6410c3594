import { setTimeout } from 'node:timers/promises'

/** How often who waits for an answer looks whether the server is away. */
const LOOK_MILLISECONDS = 50

/**
 * That the server is away may show only in the very question: whoever can go on with what is remembered waits no longer then.
 * @param remembered what there is to go on with, once the server is away
 */
export async function orRemembered<T extends object>(
  asked: Promise<T>,
  remembered: () => T | undefined,
): Promise<T> {
  const answered = new AbortController()
  const looking = async (): Promise<T> => {
    for (;;) {
      await setTimeout(LOOK_MILLISECONDS, undefined, { signal: answered.signal })
      const known = remembered()
      if (known !== undefined) return known
    }
  }
  try {
    return await Promise.race([asked, looking()])
  } finally {
    asked.catch(() => {})
    answered.abort()
  }
}
