import { Agent, request } from 'node:https'
import { expect } from 'chai'
import { login, SIGNING_IN_MILLISECONDS } from '../support/login.js'
import { startServer, type TestServer } from '../support/server.js'

describe('tokens that come again on a connection', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  let server: TestServer
  let agent: Agent
  before(async () => {
    server = await startServer()
    agent = new Agent({ keepAlive: true, maxSockets: 1, ca: server.ca })
  })
  after(async () => {
    agent.destroy()
    await server.remove()
  })

  /** The status of a GET of the root, and the port it was sent from. */
  function asked(
    token: string,
    scheme = 'Bearer',
    ...more: string[]
  ): Promise<[status: number, port: number]> {
    return new Promise((resolve, reject) => {
      const headers = { Authorization: [`${scheme} ${token}`, ...more] }
      const sent = request(new URL('/files', server.issuer), { agent, headers }, (response) => {
        const from = response.socket.localPort ?? 0
        response.resume()
        response.once('end', () => resolve([response.statusCode ?? 0, from]))
      })
      sent.once('error', reject)
      sent.end()
    })
  }

  function revoke(token: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const to = { method: 'POST', agent, headers }
      const sent = request(new URL('/revoke', server.issuer), to, (response) => {
        response.resume()
        response.once('end', () => resolve(response.statusCode ?? 0))
      })
      sent.once('error', reject)
      sent.end(`${new URLSearchParams({ token, client_id: 'coffer' })}`)
    })
  }

  it('count each for itself, and no longer than they count at all', async () => {
    const one = (await login(server)).access_token
    const other = (await login(server)).access_token
    const statuses: number[] = []
    const ports = new Set<number>()
    const ask = async (...what: Parameters<typeof asked>) => {
      const [status, port] = await asked(...what)
      statuses.push(status)
      ports.add(port)
    }
    for (let count = 0; count < 3; count += 1) await ask(one)
    await ask(`${one.slice(0, -4)}AAAA`)
    await ask(one, 'DPoP')
    await ask(one, 'Bearer', `Bearer ${one}`)
    await ask(one)
    await ask(other)
    await ask(one)
    expect(statuses).to.deep.equal([200, 200, 200, 401, 401, 400, 200, 200, 200])
    expect(await revoke(one)).to.equal(200)
    statuses.length = 0
    await ask(one)
    await ask(other)
    await ask(one)
    expect([statuses, ports.size]).to.deep.equal([[401, 200, 401], 1])
  })
})
