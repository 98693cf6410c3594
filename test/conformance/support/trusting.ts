import { Agent, type RequestOptions, request } from 'node:https'

/** fetch(1) has no way to be told a certificate authority, so its requests are sent by node:https. */
export function trusting(ca: string | undefined) {
  const agent = new Agent({ ...(ca !== undefined && { ca }) })
  return async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const asked = new Request(input, init)
    const body = Buffer.from(await asked.arrayBuffer())
    const options: RequestOptions = {
      agent,
      method: asked.method,
      headers: { ...Object.fromEntries(asked.headers), 'content-length': body.length },
    }
    return new Promise((resolve, reject) => {
      const sent = request(asked.url, options, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.once('error', reject)
        answer.once('end', () => {
          const headers = new Headers()
          for (const [name, values] of Object.entries(answer.headersDistinct)) {
            for (const value of values ?? []) headers.append(name, value)
          }
          const status = answer.statusCode ?? 0
          const content = status === 204 || status === 304 ? null : Buffer.concat(chunks)
          const response = new Response(content, { status, headers })
          Object.defineProperty(response, 'url', { value: asked.url })
          resolve(response)
        })
      })
      sent.once('error', reject)
      sent.end(body)
    })
  }
}
