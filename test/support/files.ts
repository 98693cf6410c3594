import { Agent, request } from 'node:https'
import type { TestServer } from './server.js'

export interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: Buffer
}

/** The file API with a token, over connections that stay open. */
export interface FileApi {
  send(
    method: string,
    path: string,
    options?: { readonly headers?: Record<string, string>; readonly body?: Buffer | string },
  ): Promise<Answer>
  close(): void
}

export function fileApi(
  { issuer, ca }: Pick<TestServer, 'issuer' | 'ca'>,
  access_token: string,
): FileApi {
  const agent = new Agent({ keepAlive: true, maxSockets: 8, ca })
  return {
    send: (method, path, { headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const url = new URL(path, issuer)
        const length = body === undefined ? {} : { 'Content-Length': `${Buffer.byteLength(body)}` }
        const sent = request(
          url,
          {
            method,
            agent,
            headers: { Authorization: `Bearer ${access_token}`, ...length, ...headers },
          },
          (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.once('error', reject)
            response.once('end', () =>
              resolve({
                status: response.statusCode ?? 0,
                headers: response.headers,
                body: Buffer.concat(chunks),
              }),
            )
          },
        )
        // on, not once: a connection that is cut may say so twice
        sent.on('error', reject)
        sent.end(body)
      }),
    close: () => agent.destroy(),
  }
}
