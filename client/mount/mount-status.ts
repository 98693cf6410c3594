import type { CofferFileSystem } from '../fs/options.js'
import type { Mounted } from '../fuse/filesystem.js'
import type { Session } from '../login/session.js'
import type { ReadCounts } from '../remote/read-counts.js'
import type { Remote } from '../remote/remote.js'
import type { MountStatus } from './control.js'
import type { MountProcess, MountRequest } from './mount-request.js'
import type { NewsWatch } from './news-watch.js'

/** A mount that is being served, with all its parts. */
export interface Serving {
  readonly request: MountRequest
  readonly surroundings: MountProcess
  readonly remote: Remote
  readonly session: Session
  readonly news: NewsWatch
  readonly shown: CofferFileSystem
  readonly reads: ReadCounts
  readonly mounted: Mounted
}

export function mountStatus(
  { request, surroundings, remote, session, news, shown, reads }: Serving,
  since: string,
): MountStatus {
  const { state } = remote
  const login = session.state
  return {
    directory: request.directory,
    server: request.server,
    remote: request.remote,
    readOnly: request.readOnly,
    binding: request.binding,
    pid: surroundings.pid,
    since,
    connection:
      state.kind === 'connected'
        ? { state: 'connected' }
        : {
            state: state.kind,
            since: new Date(state.since).toISOString(),
            trouble: state.trouble,
          },
    login:
      login.kind === 'dead' ? { state: 'dead', message: login.message } : { state: login.kind },
    changes: news.isLive ? 'live' : 'polled',
    folder: news.isRootGone ? 'gone' : 'there',
    pending: shown.pending(),
    conflicts: shown.conflicts(),
    reads,
    requests: { ...remote.meter.counts, ...remote.meter.traffic },
    ...(request.log === undefined ? {} : { log: request.log }),
  }
}
