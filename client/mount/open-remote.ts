import { CommandError } from '../command-error.js'
import { serverUrl } from '../config.js'
import { httpClient } from '../http/api.js'
import type { ConnectionState } from '../http/connection.js'
import type { Patience } from '../http/retry.js'
import { trustingClient } from '../http/trusting-client.js'
import { type Account, AccountDirectory } from '../login/account.js'
import { LoginTrust } from '../login/login-trust.js'
import { Session, type SessionNotice } from '../login/session.js'
import { accountTokens } from '../login/tokens.js'
import { type Remote, remoteFiles } from '../remote/remote.js'
import type { Logger } from './log.js'
import type { MountProcess, MountRequest } from './mount-request.js'

type RemoteRequest = Pick<
  MountRequest,
  'server' | 'configDirectory' | 'remote' | 'ca' | 'localAuthorities'
>

/** The server's files with the login that is in the store. @throws CommandError if there was never a login */
export async function openRemote(
  request: RemoteRequest,
  { clock, log, patience }: Pick<MountProcess, 'clock' | 'log'> & { patience?: Patience },
): Promise<{ remote: Remote; session: Session; account: Account }> {
  const server = serverUrl(request.server)
  const directory = new AccountDirectory(request.configDirectory, server)
  const written = await directory.written()
  const account = await directory.load()
  if (account === undefined) {
    throw new CommandError(
      `not logged in to ${request.server}; run: coffer login ${request.server}`,
    )
  }
  const trust = new LoginTrust({
    server,
    wishes: request,
    directory,
    account,
    written,
    changed: ({ kind }) =>
      log.warn(
        { trust: kind },
        'a login has decided which certificate is trusted; going on with it',
      ),
  })
  const session = new Session({
    account,
    directory,
    store: accountTokens(directory),
    send: trustingClient(trust, (now) => httpClient({ trust: now, connections: 2 })).send,
    clock,
    notice: (notice) => logNotice(log, notice),
  })
  const remote = remoteFiles({
    server: account.server,
    trust,
    credentials: session,
    clock,
    remotePath: request.remote,
    ...(patience === undefined ? {} : { patience }),
    notice: (state) => logState(log, state),
  })
  return { remote, session, account }
}

function logState(log: Logger, state: ConnectionState): void {
  switch (state.kind) {
    case 'connected':
      log.info('the server is back')
      return
    case 'away':
      log.warn({ trouble: state.trouble }, 'the server is away; operations wait')
      return
    case 'untrusted':
      log.error(
        { trouble: state.trouble },
        'the certificate of the server is not trusted; operations fail. If its administrator says that it is right, log in with --ca or --fingerprint: the mount goes on',
      )
      return
    case 'incompatible':
      log.error({ trouble: state.trouble }, 'the server is of another version; operations fail')
  }
}

function logNotice(log: Logger, notice: SessionNotice): void {
  switch (notice.kind) {
    case 'dead':
      log.error(notice.message)
      return
    case 'unsaved':
      log.warn(notice.message)
      return
    case 'alive':
      log.info('logged in again')
  }
}
