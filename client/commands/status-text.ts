import type { DamagedSegment } from '../journal/damaged-segments.js'
import type { MountStatus } from '../mount/control.js'
import { shownSize } from '../shown-size.js'
import { amount } from './progress.js'

export interface LoginStatus {
  readonly server: string
  readonly login: 'kept' | 'none' | 'out of reach'
  /** Where the tokens are, or why they cannot be had. */
  readonly note: string
}

/** A mount that does not say how it is. */
export interface BrokenMount {
  readonly directory: string
  readonly server: string
  readonly pid: number
  readonly state: keyof typeof TROUBLE
}

const TROUBLE = {
  /** Its process is stopped or stuck. */
  silent: ({ pid }: BrokenMount) => `ITS PROCESS (${pid}) DOES NOT ANSWER: it is stopped or stuck`,
  /** Its process has gone, and left the mount behind. */
  dead: ({ pid, server, directory }: BrokenMount) =>
    `ITS PROCESS (${pid}) HAS ENDED; to begin anew: coffer mount ${server} ${directory}`,
  /** Its process serves it. */
  'another version': ({ pid, directory }: BrokenMount) =>
    `IT IS OF ANOTHER VERSION (process ${pid}), and how it is cannot be read; to begin anew with this one: coffer unmount ${directory}, and mount again`,
}

/** What `coffer status` says to people. */
export function statusLines(
  mounts: readonly MountStatus[],
  broken: readonly BrokenMount[],
  logins: readonly LoginStatus[],
  damaged: readonly DamagedSegment[],
): string[] {
  const lines = [
    ...mounts.flatMap(mountLines),
    ...broken.flatMap(brokenLines),
    ...logins.map(({ server, login, note }) => `${server}: login ${login}, ${note}`),
    ...damaged.map(
      ({ path, bytes }) =>
        `A DAMAGED JOURNAL is kept: ${path} (${shownSize(bytes)}). What could be read of it was sent; to see what was lost: coffer damaged; to be rid of it: coffer damaged --remove`,
    ),
  ]
  return lines.length === 0 ? ['Nothing is mounted and nobody is logged in.'] : lines
}

function brokenLines(mount: BrokenMount): string[] {
  return [`${mount.directory}  ←  ${mount.server}`, `  ${TROUBLE[mount.state](mount)}`]
}

function mountLines(mount: MountStatus): string[] {
  const { login, pending } = mount
  const where = `${mount.server}${mount.remote === '/' ? '' : mount.remote}`
  return [
    `${mount.directory}  ←  ${where}${mount.readOnly ? '  (read-only)' : ''}`,
    connectionLine(mount),
    ...(mount.folder === 'there'
      ? []
      : [
          `  THE FOLDER ${mount.remote} IS GONE from the server. Operations fail. Run: coffer unmount ${mount.directory}`,
        ]),
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

function connectionLine({ connection, since, pid, server }: MountStatus): string {
  switch (connection.state) {
    case 'connected':
      return `  connected, mounted since ${since}, process ${pid}`
    case 'away':
      return `  THE SERVER IS AWAY since ${connection.since}: ${connection.trouble}. Operations wait and go on when it is back.`
    case 'incompatible':
      return `  THE SERVER IS OF ANOTHER VERSION since ${connection.since}: ${connection.trouble}. Operations fail.`
    case 'untrusted':
      return `  THE SERVER'S CERTIFICATE IS NOT TRUSTED since ${connection.since}: ${connection.trouble}. Operations fail. If its administrator says that it is right, run: coffer login ${server} --fingerprint SHA256 (or --ca FILE); the mount goes on by itself.`
  }
}

function conflictLines({ overwritten, copies, yielded }: MountStatus['conflicts']): string[] {
  return [
    ...(copies === 0
      ? []
      : [`  CONFLICTS: ${copies} copies lie beside what others changed; the log names them`]),
    ...(overwritten === 0
      ? []
      : [
          `  CONFLICTS: ${overwritten} times a change of another machine was written over; see the log`,
        ]),
    ...(yielded === 0
      ? []
      : [
          `  CONFLICTS: ${yielded} times mode, owner or times that were set here were given up, for another machine had been there; see the log`,
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
  return `  read: ${shownSize(served.bytes)}; from the server ${shownSize(network.bytes)}, from the cache on the disk ${shownSize(disk.bytes)}`
}
