import { expect } from 'chai'
import { type Remote, remoteFiles } from '../../../client/remote/remote.js'
import type { RemoteNews } from '../../../client/remote/remote-files.js'
import { login } from '../../support/login.js'
import { startServer, type TestServer } from '../../support/server.js'
import { until } from '../../support/until.js'

describe('what answers said of changes of others', function () {
  this.timeout(60_000)

  let server: TestServer
  let here: Remote
  let there: Remote
  const listening = new AbortController()

  before(async () => {
    server = await startServer()
    const token = (await login(server)).access_token
    const headers = async () => ({ authorization: `Bearer ${token}` })
    const connected = () =>
      remoteFiles({
        server: server.issuer,
        trust: { trust: { kind: 'authority', pem: server.ca }, renew: async () => {} },
        credentials: { headers, renewed: headers },
        clock: () => performance.now(),
      })
    here = connected()
    there = connected()
  })
  after(async () => {
    listening.abort()
    here?.close()
    there?.close()
    await server?.remove()
  })

  it('counts no more when the server was started anew, perhaps from an earlier state', async () => {
    const kinds: RemoteNews['kind'][] = []
    const listen = async () => {
      for await (const { kind } of here.files.changes?.(listening.signal) ?? []) kinds.push(kind)
    }
    void listen()
    await until('it is connected', async () => kinds.includes('connected'))
    const { ino } = await here.files.root()
    for (const [index, { files }] of [there, here].entries())
      await files.make(ino, `d${index}`, { type: 'directory' }, {})
    expect(here.files.othersUpTo?.()).to.be.above(-1)
    await server.restart()
    await until('it is connected again', async () => kinds.includes('reset'))
    expect(here.files.othersUpTo?.()).to.equal(-1)
  })
})
