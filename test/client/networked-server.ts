import { ownPort } from '../support/own-port.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Network, network } from './tcp-proxy.js'

export interface NetworkedServer {
  readonly net: Network
  readonly server: TestServer
  /** The server without the network between; its address stays the same when it starts again. */
  readonly direct: { readonly issuer: string; readonly ca: string }
  /** What was sent and not answered yet never is; then all is well again. */
  lose(loss: Loss): Promise<void>
}

export type Loss = 'the connection is cut' | 'the server is killed'

/** A server that is known by an address of a network of ours, which can go bad. */
export async function networkedServer(): Promise<NetworkedServer> {
  const port = await ownPort()
  const net = await network(() => port)
  const server = await startServer({
    env: { COFFER_PORT: String(port), COFFER_ISSUER: `https://localhost:${net.port}` },
  })
  return {
    net,
    server,
    direct: { issuer: `https://localhost:${port}`, ca: server.ca },
    async lose(loss) {
      if (loss === 'the server is killed') await server.stop('SIGKILL')
      net.reset()
      net.become('pass')
      if (loss === 'the server is killed') await server.restart()
    },
  }
}
