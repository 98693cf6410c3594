import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect } from 'chai'
import { httpClient } from '../../../client/http/api.js'
import type { Uploading } from '../../../client/http/uploading.js'
import { until } from '../../support/until.js'
import { type SmallServer, smallServer } from '../login/small-server.js'

/** More than the buffers of a connection have room for. */
const BYTES = 64 << 20

describe('how much of a long request a connection has taken', () => {
  let server: SmallServer
  let asked: [IncomingMessage, ServerResponse] | undefined
  const uploading: Uploading = { bytes: 0 }

  beforeEach(async () => {
    server = await smallServer((request, response) => {
      asked = [request, response]
    })
  })
  afterEach(() => server.close())

  const upload = () =>
    httpClient({
      trust: { kind: 'authority', pem: server.authority.certificate },
      uploading,
    }).send({ method: 'PUT', url: server.url, content: Buffer.alloc(BYTES), limit: 1000 })

  it('is known before all of it is sent, and is nothing once that has arrived', async () => {
    const answered = upload()
    await until('a part of it is taken', async () => uploading.bytes > 0)
    expect(uploading.bytes).to.be.below(BYTES)
    await until('the server was asked', async () => asked !== undefined)
    const [request, response] = asked ?? []
    request?.resume().once('end', () => response?.end())
    expect((await answered).status).to.equal(200)
    expect(uploading.bytes).to.equal(0)
  })

  for (const [how, end] of [
    ['answered early', () => asked?.[1].writeHead(413).end()],
    ['broken off', () => asked?.[0].destroy()],
  ] as const) {
    it(`is nothing when it was ${how}`, async () => {
      asked = undefined
      const answered = upload().catch((error: unknown) => error)
      await until('a part of it is taken', async () => uploading.bytes > 0)
      await until('the server was asked', async () => asked !== undefined)
      end()
      await answered
      expect(uploading.bytes).to.equal(0)
    })
  }
})
