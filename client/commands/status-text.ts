import type { MountStatus } from '../control.js'
import type { MountRecord } from '../mount-registry.js'
import { amount } from '../progress.js'
import { size } from '../wording.js'

export interface LoginStatus {
  readonly server: string
  readonly login: 'kept' | 'none' | 'out of reach'
  /** Where the tokens are, or why they cannot be had. */
  readonly note: string
}

/** What `coffer status` says to people. */
export function statusLines(
  mounts: readonly MountStatus[],
  silent: readonly MountRecord[],
  logins: readonly LoginStatus[],
): string[] {
  const lines = [
    ...mounts.flatMap(mountLines),
    ...silent.flatMap(silentLines),
    ...logins.map(({ server, login, note }) => `${server}: login ${login}, ${note}`),
  ]
  return lines.length === 0 ? ['Nothing is mounted and nobody is logged in.'] : lines
}

function silentLines({ directory, server, pid }: MountRecord): string[] {
  return [
    `${directory}  ←  ${server}`,
    `  ITS PROCESS (${pid}) DOES NOT ANSWER: it is stopped or stuck.`,
  ]
}

function mountLines(mount: MountStatus): string[] {
  const { connection, login, pending } = mount
  const where = `${mount.server}${mount.remote === '/' ? '' : mount.remote}`
  return [
    `${mount.directory}  ←  ${where}${mount.readOnly ? '  (read-only)' : ''}`,
    connection.state === 'connected'
      ? `  connected, mounted since ${mount.since}, process ${mount.pid}`
      : `  THE SERVER IS AWAY since ${connection.since}: ${connection.trouble}. Operations wait and go on when it is back.`,
    login.state === 'dead' ? `  LOGGED OUT: ${login.message}` : '  logged in',
    mount.changes === 'live'
      ? "  others' changes are seen at once"
      : "  the stream of changes is down: others' changes are seen after about a second",
    pending.files === 0 ? '  everything is sent' : `  to be sent: ${amount(pending)}`,
    ...conflictLines(mount.conflicts),
    requestLine(mount.requests),
    readLine(mount.reads),
    ...(mount.log === undefined ? [] : [`  log: ${mount.log}`]),
  ]
}

function conflictLines({ overwritten, copies }: MountStatus['conflicts']): string[] {
  return [
    ...(copies === 0
      ? []
      : [`  CONFLICTS: ${copies} copies lie beside what others changed; the log names them`]),
    ...(overwritten === 0
      ? []
      : [
          `  CONFLICTS: ${overwritten} times a change of another machine was written over; see the log`,
        ]),
  ]
}

function requestLine(requests: MountStatus['requests']): string {
  const { sent, failed, perSecond, medianMilliseconds, p99Milliseconds } = requests
  const latency =
    medianMilliseconds === undefined
      ? ''
      : `, answered in ${medianMilliseconds} ms (median), ${p99Milliseconds} ms (99 %)`
  return `  requests: ${sent}, ${failed} failed; ${perSecond.toFixed(1)} a second${latency}`
}

/** What the kernel had itself never comes here. */
function readLine({ served, disk, network }: MountStatus['reads']): string {
  if (served.reads === 0) return '  nothing read yet'
  return `  read: ${size(served.bytes)}; from the server ${size(network.bytes)}, from the cache on the disk ${size(disk.bytes)}`
}
