import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { connect } from 'node:tls'
import { expect } from 'chai'
import { fileApi } from '../support/files.js'
import { login, SIGNING_IN_MILLISECONDS } from '../support/login.js'
import { startServer } from '../support/server.js'

describe('a server that is told to stop', function () {
  this.timeout(SIGNING_IN_MILLISECONDS)
  it('closes everything and says so, also after so many changes that their log was written back', async () => {
    const server = await startServer()
    try {
      const { access_token } = await login(server)
      const api = fileApi(server, access_token)
      // Every 250 transactions a thread writes the log back, and lives on.
      for (let count = 0; count < 300; count++) {
        await api.send('PUT', `/files/f${count}`, { body: 'x' })
      }
      api.close()
      await server.stop('SIGTERM')
      expect(server.log()).to.match(/^Coffer has stopped\.$/m)
    } finally {
      await server.remove()
    }
  })

  it('does not wait for connections on which nothing was asked', async () => {
    const server = await startServer({ env: { COFFER_SHUTDOWN_GRACE: '3600' } })
    const at = { port: Number(new URL(server.issuer).port), host: '127.0.0.1' }
    const unused = connect({ ...at, ca: server.ca, servername: 'localhost' })
    const shaking = connectPlain(at)
    try {
      await Promise.all([once(unused, 'secureConnect'), once(shaking, 'connect')])
      const closed = [once(unused, 'close'), once(shaking, 'close')]
      for (const socket of [unused, shaking]) socket.on('error', () => {}).resume()
      await server.stop('SIGTERM')
      await Promise.all(closed)
      expect(server.log()).to.match(/^Coffer has stopped\.$/m)
      expect(server.log()).not.to.include('were cut off')
    } finally {
      unused.destroy()
      shaking.destroy()
      await server.remove()
    }
  })
})
