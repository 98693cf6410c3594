import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import {
  type KeyPair,
  makeAuthority,
  makeServerCertificate,
} from '../../../server/tls/authority.js'
import { certificateNames } from '../../../server/tls/names.js'

/** An HTTPS server that answers what a test wants: for what the real server never does. */
export interface SmallServer {
  readonly url: URL
  readonly authority: KeyPair
  close(): Promise<void>
}

export type Answerer = (request: IncomingMessage, response: ServerResponse) => void

export async function smallServer(
  answer: Answerer,
  options: {
    readonly chain?: 'with authority' | 'alone'
    readonly port?: number
    readonly name?: string
  } = {},
): Promise<SmallServer> {
  const authority = await makeAuthority('test', new Date())
  const names =
    options.name === undefined
      ? certificateNames('localhost')
      : [{ type: 'dns', value: options.name } as const]
  const pair = await makeServerCertificate(authority, names, new Date())
  const cert =
    options.chain === 'alone'
      ? (/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/.exec(pair.certificate)?.[0] ?? '')
      : pair.certificate
  const server = createServer({ cert, key: pair.key }, answer)
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: new URL(`https://localhost:${port}`),
    authority,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function json(
  response: ServerResponse,
  status: number,
  document: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
  response.end(JSON.stringify(document))
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
