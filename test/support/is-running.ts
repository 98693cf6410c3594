import { until } from './until.js'

/** Whether there is a process with this id, be it one that a test has not started itself. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Settles once there is none. */
export function ended(pid: number): Promise<true> {
  return until(`process ${pid} has ended`, async () => !isRunning(pid))
}
