import { once } from 'node:events'
import { Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import supertest from 'supertest'
import { digestOf } from '../../../oauth/secrets.js'
import { type World, world } from './fixture.js'

interface Service {
  readonly client_id: string
  readonly client_secret: string
}

describe('client secrets that come again on a connection (RFC 6749 section 2.3.1)', () => {
  let at: World
  let server: Server
  let agent: Agent
  beforeEach(async () => {
    at = await world({ registration: 'open' })
    server = createServer(at.app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    agent = new Agent({ keepAlive: true, maxSockets: 1 })
  })
  afterEach(() => {
    agent.destroy()
    server.close()
  })

  async function service(): Promise<Service> {
    const own = { client_name: 'A service', grant_types: ['client_credentials'] }
    const { body } = await supertest(at.app).post('/register').send(own)
    return body
  }

  /** The status, and the port that was asked from. */
  function asked(
    { client_id, client_secret }: Service,
    more = {},
    fields = {},
  ): Promise<[number, number]> {
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...more })
    return new Promise((resolve, reject) => {
      const { port } = server.address() as AddressInfo
      const sent = request({
        ...{ agent, port, host: '127.0.0.1', method: 'POST', path: '/token' },
        auth: `${client_id}:${client_secret}`,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...fields },
      })
      sent.once('error', reject)
      sent.once('response', (response) => {
        const from = response.socket.localPort ?? 0
        response.resume().once('end', () => resolve([response.statusCode ?? 0, from]))
      })
      sent.end(`${form}`)
    })
  }

  it('are each looked at for themselves', async () => {
    const one = await service()
    const other = await service()
    const wrong = { ...one, client_secret: other.client_secret }
    const all = []
    for (const shown of [one, one, wrong, one, other, one]) all.push(await asked(shown))
    expect(all.map(([status]) => status)).to.deep.equal([200, 200, 401, 200, 200, 200])
    expect(new Set(all.map(([, port]) => port)).size).to.equal(1)
  })

  it('leave the other rules for a request as they are', async () => {
    const one = await service()
    const statuses = []
    for (const more of [{}, { client_secret: one.client_secret }, { client_id: 'other' }, {}]) {
      statuses.push((await asked(one, more))[0])
    }
    expect(statuses).to.deep.equal([200, 400, 400, 200])
  })

  it('count no longer once they are replaced, or the client is gone', async () => {
    const one = await service()
    expect((await asked(one))[0]).to.equal(200)
    const client = await at.store.client(one.client_id)
    if (client === undefined) throw new Error('the client is not there')
    const next = { ...one, client_secret: 'another secret' }
    await at.store.saveClient({ ...client, client_secret_digest: digestOf(next.client_secret) })
    expect((await asked(one))[0]).to.equal(401)
    expect((await asked(next))[0]).to.equal(200)
    await at.store.removeClient(one.client_id, at.now)
    expect((await asked(next))[0]).to.equal(401)
  })

  it('are not looked at after too many wrong ones, either', async () => {
    const one = await service()
    expect((await asked(one))[0]).to.equal(200)
    for (let n = 0; n < 20; n++) await asked({ ...one, client_secret: `guess ${n}` })
    expect((await asked(one))[0]).to.equal(429)
  })
  it('are remembered for no connection of a trusted proxy, on which many clients come', async () => {
    at.app.set('trust proxy', 'loopback')
    const one = await service()
    const statuses = async (fields: object) => {
      const first = [await asked(one, {}, fields), await asked(one, {}, fields)]
      const client = await at.store.client(one.client_id)
      if (client === undefined) throw new Error('the client is not there')
      // No store does that to a client it has handed out: what is not looked at anew does not notice.
      const before = { ...client }
      Object.assign(client, { client_secret_digest: digestOf('another secret') })
      const all = [...first, await asked(one, {}, fields)]
      Object.assign(client, before)
      expect(new Set(all.map(([, port]) => port)).size).to.equal(1)
      return all.map(([status]) => status)
    }
    expect(await statuses({}), 'without a proxy').to.deep.equal([200, 200, 200])
    expect(await statuses({ 'X-Forwarded-For': '192.0.2.7' })).to.deep.equal([200, 200, 401])
  })
})
