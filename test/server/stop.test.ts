import { expect } from 'chai'
import { fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { startServer } from '../support/server.js'

describe('a server that is told to stop', () => {
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
})
