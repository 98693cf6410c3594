import { ownPort } from '../support/own-port.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Network, network } from './tcp-proxy.js'

export interface NetworkedServer {
  readonly net: Network
  readonly server: TestServer
  /** Where the server is without the network between; it stays the same when it starts again. */
  readonly port: number
}

/** A server that is known by an address of a network of ours, which can go bad. */
export async function networkedServer(): Promise<NetworkedServer> {
  const port = await ownPort()
  const net = await network(() => port)
  const server = await startServer({
    env: { COFFER_PORT: String(port), COFFER_ISSUER: `https://localhost:${net.port}` },
  })
  return { net, server, port }
}
