import { LOCK_TYPES, type WireLease, type WireLockAnswer } from '../../server/wire/locks.js'
import { isCount, isRecord, nonsense } from './wire-values.js'

/** What the server's answers say about locks, parsed. */

/** pid_t */
const MOST_PID = 0x7fff_ffff

type Members = Readonly<Record<string, unknown>>

/** @throws RemoteError EIO */
export function checkedAnswer(answer: unknown): WireLockAnswer {
  if (isRecord(answer) && IS_ANSWER.get(answer.state)?.(answer) === true) {
    return answer as unknown as WireLockAnswer
  }
  throw nonsense('nothing about the lock')
}

/** What each answer says beside its state. */
const IS_ANSWER: ReadonlyMap<unknown, (answer: Members) => boolean> = new Map<
  unknown,
  (answer: Members) => boolean
>([
  ['granted', isGrant],
  ['refused', ({ code }) => typeof code === 'string'],
  ['held', isHeld],
  ...['waiting', 'unclaimed', 'free', 'cancelled', 'decided'].map(
    (state) => [state, () => true] as const,
  ),
])

function isGrant({ newest, version, lease, delegated }: Members): boolean {
  return isCount(newest) && isCount(version) && isDuration(lease) && typeof delegated === 'boolean'
}

/** Milliseconds, not always whole ones. */
function isDuration(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** What fcntl(2) is told of it. */
function isHeld({ lock }: Members): boolean {
  if (!isRecord(lock)) return false
  const { start, end, pid, type } = lock
  const isKnown = (LOCK_TYPES as readonly unknown[]).includes(type)
  return isKnown && isCount(start) && isCount(end) && isCount(pid) && pid <= MOST_PID
}

/** @throws RemoteError EIO */
export function checkedLease(lease: unknown): WireLease {
  if (isRecord(lease) && isDuration(lease.milliseconds) && typeof lease.run === 'string') {
    const { milliseconds, run, recalls, state } = lease
    const known = state === 'held' ? 'held' : 'unclaimed'
    return { state: known, milliseconds, run, recalls: checkedInodes(recalls) }
  }
  throw nonsense('no lease')
}

/** @throws RemoteError EIO */
export function checkedInodes(list: unknown): number[] {
  if (Array.isArray(list) && list.every(isCount)) return list
  throw nonsense('no inodes')
}
