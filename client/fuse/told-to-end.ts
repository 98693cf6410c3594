import { readFileSync } from 'node:fs'
import { constants } from 'node:os'

const { SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM } = constants.signals
const { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ } =
  constants.signals

/** A signal that is about to end a program, whichever it is but for those below, has SIGKILL pend in all its threads. */
const ENDING = setOf(SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM)

/** These end a program that does not heed them, with a core dump. */
const DUMPING = setOf(
  ...[SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ],
)

function setOf(...signals: readonly number[]): bigint {
  return signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n)
}

/**
 * Whether a thread that waits in the kernel has been told to end, by Ctrl-C or otherwise, and not only by a timer, a child or
 * its own runtime, nor been stopped and continued. Where nobody can know, it has.
 */
export function isToldToEnd(thread: number): boolean {
  try {
    return isEnding(readFileSync(`/proc/${thread}/status`, 'latin1'))
  } catch {
    return true
  }
}

/** The same by what proc_pid_status(5) says. */
export function isEnding(status: string): boolean {
  const [own, shared, blocked, caught] = ['SigPnd', 'ShdPnd', 'SigBlk', 'SigCgt'].map((name) => {
    const digits = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1]
    return digits === undefined ? undefined : BigInt(`0x${digits}`)
  })
  if (own === undefined || shared === undefined) return true
  if (blocked === undefined || caught === undefined) return true
  return ((own | shared) & ~blocked & (ENDING | (DUMPING & ~caught))) !== 0n
}
