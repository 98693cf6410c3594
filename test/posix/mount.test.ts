import { type Machine, type Mount, machine } from '../support/mount.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { behavesLikePosix } from './suite.js'

describe('the POSIX suite on a mount', () => {
  let server: TestServer
  let home: Machine
  let mount: Mount

  before(async function () {
    requires(this, 'fuse')
    this.timeout(120_000)
    server = await startServer()
    home = await machine(server)
    mount = await home.mount()
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  behavesLikePosix(() => mount.directory)
})
