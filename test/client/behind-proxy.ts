import { login } from '../support/login.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Connected, type ConnectionSettings, connectedFiles } from './connected-files.js'
import { type FaultyProxy, faultyProxy } from './faulty-proxy.js'

export interface BehindProxy {
  readonly server: TestServer
  readonly proxy: FaultyProxy
  readonly token: string
  /** Files of a client of its own. */
  connected(settings?: ConnectionSettings): Connected
}

/** A server behind a proxy that lets everything pass as each test begins. Sets a suite up. */
export function behindProxy(): BehindProxy {
  let server: TestServer | undefined
  let proxy: FaultyProxy | undefined
  let token = ''

  before(async function () {
    this.timeout(60_000)
    server = await startServer()
    proxy = await faultyProxy(server)
    token = (await login(server)).access_token
  })
  after(async () => {
    await proxy?.close()
    await server?.remove()
  })
  beforeEach(() => {
    line.proxy.fault = () => 'pass'
  })

  const line: BehindProxy = {
    get server() {
      if (server === undefined) throw new Error('the server is not there yet')
      return server
    },
    get proxy() {
      if (proxy === undefined) throw new Error('the proxy is not there yet')
      return proxy
    },
    get token() {
      return token
    },
    connected: (settings) => connectedFiles(line.server, line.proxy, token, settings),
  }
  return line
}
