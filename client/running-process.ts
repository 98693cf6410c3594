import { readFile, readlink } from 'node:fs/promises'
import { z } from 'zod'
import { codeOf } from './error-of.js'

/** A process by what no other one ever has: which kernel, and which of its namespaces, gave it that number, and when it started. */
export const RUNNING_PROCESS = z.object({
  kernel: z.string(),
  pid: z.number(),
  started: z.string(),
})
export type RunningProcess = z.infer<typeof RUNNING_PROCESS>

/** This process; undefined where it cannot be known so well: on other systems than Linux, or where /proc shows another namespace. */
export async function thisProcess(pid: number): Promise<RunningProcess | undefined> {
  try {
    const [boot, status, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile('/proc/self/status', 'utf8'),
      readStat('self'),
    ])
    // Numbers of a process from the namespace of /proc down to its own (man 5 proc_pid_status): one, if they are the same.
    if (!new RegExp(`^NSpid:\\t${pid}$`, 'm').test(status)) return undefined
    // The start is told by the clock of the namespace (man 7 time_namespaces).
    const spaces = await Promise.all([
      readlink('/proc/self/ns/pid'),
      readlink('/proc/self/ns/time').catch(() => 'time'),
    ])
    return { kernel: [boot.trim(), ...spaces].join(' '), pid, started: stat.started }
  } catch {
    return undefined
  }
}

/**
 * Whether a process has ended, for certain: what ran under another kernel (another machine with the same home directory, say, or
 * before a restart), or in another namespace, is not known here.
 * @param hasProcess kill(2) with signal 0: unlike /proc, which can hide processes, it knows them all
 */
export async function hasEnded(
  { kernel, pid, started }: RunningProcess,
  here: RunningProcess,
  hasProcess: (pid: number) => boolean,
): Promise<boolean> {
  if (kernel !== here.kernel) return false
  if (!hasProcess(pid)) return true
  const now = await readStat(pid).catch(() => undefined)
  return now !== undefined && (now.started !== started || now.isOver)
}

/** man 2 kill; what may not be signalled is there. */
export function hasProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/** man 5 proc_pid_stat; what stands in parentheses may be anything. */
async function readStat(pid: number | 'self'): Promise<{ started: string; isOver: boolean }> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, threads, started] = [fields[0], fields[17], fields[19]]
  if (started === undefined) throw new Error(`/proc/${pid}/stat makes no sense`)
  // Nobody has asked yet how it ended; none of its threads is under way any more.
  return { started, isOver: state === 'Z' && threads === '1' }
}
