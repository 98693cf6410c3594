import { readFileSync } from 'node:fs'
import { constants } from 'node:os'

const { SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM } = constants.signals

/** A signal that is about to end a program, whichever it is, has SIGKILL pend in all its threads. */
const ENDING = [SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM].reduce(
  (set, signal) => set | (1n << BigInt(signal - 1)),
  0n,
)

/**
 * Whether a thread that waits in the kernel has been told to end, by Ctrl-C or otherwise, and not only by a timer, a child or
 * its own runtime, nor been stopped and continued (proc_pid_status(5)). Where nobody can know, it has.
 */
export function isToldToEnd(thread: number): boolean {
  let status: string
  try {
    status = readFileSync(`/proc/${thread}/status`, 'latin1')
  } catch {
    return true
  }
  const set = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)$`, 'm').exec(status)?.[1]}`)
  return ((set('SigPnd') | set('ShdPnd')) & ~set('SigBlk') & ENDING) !== 0n
}
