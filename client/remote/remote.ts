import { randomBytes } from 'node:crypto'
import { BATCH_TYPE } from '../../server/wire/frames.js'
import { HEADERS } from '../../server/wire/headers.js'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { CommandError } from '../command-error.js'
import { type ClientOptions, type Credentials, httpClient } from '../http/api.js'
import { Connection, type ConnectionState } from '../http/connection.js'
import { posted, upgradedOrPosted } from '../http/frame-connection.js'
import { OtherVersion } from '../http/other-version.js'
import { endedByReturn, Pauses } from '../http/pauses.js'
import { PATIENCE, type Patience } from '../http/retry.js'
import { steadyClock } from '../http/steady-clock.js'
import type { Trust } from '../http/trust.js'
import { type TrustSource, trustingClient } from '../http/trusting-client.js'
import type { Uploading } from '../http/uploading.js'
import { Attempts } from './attempts.js'
import { changeStream } from './change-stream.js'
import { Channels } from './channel.js'
import { FileRequests, namePath } from './file-requests.js'
import { filesOverChannels } from './files-over-channel.js'
import { filesOverHttp } from './files-over-http.js'
import { locksOverChannels } from './locks-over-channel.js'
import { Meter } from './meter.js'
import type { RemoteFencing, RemoteFiles } from './remote-files.js'

export interface RemoteOptions {
  /** Scheme, host, port and perhaps a path, no slash at the end. */
  readonly server: string
  readonly trust: TrustSource
  readonly credentials: Credentials
  readonly clock: () => number
  /** The folder of the user's tree to show as root; "/" for all of it. */
  readonly remotePath?: string
  readonly patience?: Patience
  readonly silenceMilliseconds?: number
  /** Monotonic milliseconds, for latencies. */
  readonly now?: () => number
  /** Told when the server goes away and when it is back. */
  readonly notice?: (state: ConnectionState) => void
}

export interface Remote extends RemoteFencing {
  readonly files: RemoteFiles
  /** Of the whole account, whatever folder is shown. */
  accountRoot(): Promise<WireAttributes>
  /** Proves that this connection is ours. */
  readonly connectionSecret: string
  readonly state: ConnectionState
  readonly meter: Meter
  readonly uploading: Readonly<Uploading>
  /** Something is going to be asked soon: connects for that. */
  prepare(): void
  /** Something has changed, for which a server that is away or refuses may be worth another try. */
  lookAgain(): void
  /** Nothing is asked or sent any more, whatever is under way: it fails with EIO. */
  giveUp(): void
  close(): void
}

/** The user's files on a server. */
export function remoteFiles(options: RemoteOptions): Remote {
  const meter = new Meter(options.now ?? (() => performance.now()))
  const uploading: Uploading = { bytes: 0 }
  const client = trustingClient(options.trust, (trust) =>
    httpClient({ ...clientOptions(trust, options), uploading }),
  )
  const pauses = new Pauses()
  const clock = steadyClock(options.clock)
  const returned = endedByReturn(pauses, clock)
  const connection = new Connection(clock, (state) => {
    returned(state)
    options.notice?.(state)
  })
  const connectionSecret = randomBytes(16).toString('base64url')
  const attempts = new Attempts()
  const requests = new FileRequests({
    attempts,
    base: options.server,
    connectionSecret,
    send: (exchange) => meter.timed(() => client.send(exchange), exchange.signal),
    retry: {
      connection,
      patience: options.patience ?? PATIENCE,
      lost: () => {
        client.forgetIdle()
        channels.forgetIdle()
      },
    },
  })
  const root = rootTarget(options.remotePath ?? '/')
  const batch = {
    url: new URL(`${options.server}/batch`),
    headers: { [HEADERS.connection]: connectionSecret, [HEADERS.durability]: 'process' },
  }
  const channels = new Channels(
    upgradedOrPosted(
      attempts.channel(async (fields, receiver) => {
        const exchange = { ...batch, headers: { ...batch.headers, ...fields } }
        try {
          const frames = await client.upgrade(exchange, receiver)
          connection.understood()
          return frames
        } catch (error) {
          if (error instanceof OtherVersion) connection.notUnderstood(error.message)
          throw error
        }
      }),
      attempts.channel(async (fields, receiver) => {
        const headers = { ...batch.headers, ...fields, 'Content-Type': BATCH_TYPE }
        const exchange = { ...batch, method: 'POST', headers }
        return posted(await client.duplex(exchange, () => receiver.isWaiting()), receiver)
      }),
      clock,
    ),
    clock,
    meter,
  )
  const files = filesOverHttp(requests, root)
  const again = filesOverHttp(requests.again(), root)
  const told = (signal: AbortSignal) =>
    changeStream(
      (lastEventId, isWaiting) => {
        const headers = { [HEADERS.connection]: connectionSecret, ...lastEventId }
        const url = new URL(`${options.server}/changes?others`)
        return client.duplex({ method: 'GET', url, headers }, isWaiting)
      },
      signal,
      connection,
      pauses,
    )
  async function* changes(signal: AbortSignal) {
    for await (const news of told(signal)) {
      // The server may have been started again in our version: only a channel shows that.
      if (news.kind === 'connected' && connection.state.kind === 'incompatible') channels.prepare()
      if (news.kind === 'reset') requests.countedAnew()
      yield news
    }
  }
  const locks = locksOverChannels(channels, requests)
  return {
    files: {
      ...filesOverChannels(channels, requests, files, again),
      changes,
      othersUpTo: () => requests.newestOfOthers,
      hurryChanges: () => pauses.end(),
      locks,
    },
    fence: locks.fence,
    accountRoot: () => filesOverHttp(requests, rootTarget('/')).root(),
    connectionSecret,
    meter,
    uploading,
    get state() {
      return connection.state
    },
    prepare: () => channels.prepare(),
    lookAgain: () => pauses.end(),
    giveUp() {
      connection.end()
      channels.close()
      client.close()
    },
    close() {
      channels.close()
      client.close()
    },
  }
}

function clientOptions(
  trust: Trust,
  { credentials, silenceMilliseconds }: RemoteOptions,
): ClientOptions {
  return {
    trust,
    credentials,
    ...(silenceMilliseconds === undefined ? {} : { silenceMilliseconds }),
  }
}

/** @throws CommandError for what is no path on the server */
function rootTarget(path: string): string {
  const names = path.split('/').filter((name) => name !== '')
  if (names.some((name) => name === '.' || name === '..')) {
    throw new CommandError(`"${path}" must be a path on the server without "." and ".."`)
  }
  return `/files/${names.map((name) => namePath(0, name).slice('/inodes/0/'.length)).join('/')}`
}
