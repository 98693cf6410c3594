/** The locks look at the clock every second; when nobody has for longer than this, the process was stopped. */
const LONGEST_STEP_MILLISECONDS = 3_000

/**
 * A clock that stands still while this process does (SIGSTOP, a machine that sleeps, a disk that hangs): meanwhile no client can
 * renew its lease, and who comes first afterwards shall not find the others gone.
 * @param clock monotonic milliseconds
 */
export function runningTime(clock: () => number): () => number {
  let last = clock()
  let passed = 0
  return () => {
    const now = clock()
    passed += Math.min(now - last, LONGEST_STEP_MILLISECONDS)
    last = now
    return passed
  }
}
