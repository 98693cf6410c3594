import { httpClient } from '../../client/http/api.js'
import { Connection } from '../../client/http/connection.js'
import { Attempts } from '../../client/remote/attempts.js'
import { FileRequests } from '../../client/remote/file-requests.js'
import { filesOverHttp } from '../../client/remote/files-over-http.js'
import type { RemoteFiles } from '../../client/remote/remote-files.js'
import { RemoteError } from '../../client/remote-error.js'
import type { TestServer } from '../support/server.js'
import type { FaultyProxy } from './faulty-proxy.js'

export interface Connected {
  readonly files: RemoteFiles
  readonly connection: Connection
  readonly secret: string
  close(): void
}

export interface ConnectionSettings {
  readonly silenceMilliseconds?: number
  readonly patience?: number
  readonly base?: string
}

let counter = 0

/** The remote files with one request for each operation: what goes wrong with channels is tested beside them. */
export function connectedFiles(
  server: TestServer,
  proxy: FaultyProxy,
  token: string,
  settings: ConnectionSettings = {},
): Connected {
  const milliseconds = settings.patience ?? 10_000
  const headers = async () => ({ authorization: `Bearer ${token}` })
  const client = httpClient({
    trust: { kind: 'authority', pem: server.ca },
    credentials: { headers, renewed: headers },
    silenceMilliseconds: settings.silenceMilliseconds ?? 5_000,
  })
  const connection = new Connection(() => performance.now())
  const secret = `the-client-of-a-test-number-${counter++}`
  const requests = new FileRequests({
    attempts: new Attempts(),
    base: settings.base ?? proxy.url,
    connectionSecret: secret,
    send: client.send,
    retry: {
      connection,
      patience: { milliseconds, whileAwayMilliseconds: milliseconds },
      lost: client.forgetIdle,
    },
  })
  return { files: filesOverHttp(requests, '/files/'), connection, secret, close: client.close }
}

/** The code of the refusal; "done" if there was none. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (error instanceof RemoteError) return error.code
    throw error
  }
  return 'done'
}
