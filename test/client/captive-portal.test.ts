import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, machine } from '../support/mount.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

/** What stands in the place of a server and has a certificate for it: a proxy with a page for when that is gone, say. */
async function portal(server: TestServer, status: number): Promise<Server> {
  const tls = (name: string): Promise<string> => readFile(join(server.data, 'tls', name), 'utf8')
  const options = { cert: await tls('server.pem'), key: await tls('server-key.pem') }
  const fields = { 'Content-Type': 'text/html; charset=utf-8', Location: '/hello' }
  const pages = createServer(options, (request, response) => {
    request.resume()
    response.writeHead(status, fields).end('<!doctype html><title>Hello</title>')
  })
  const port = Number(new URL(server.issuer).port)
  await new Promise<void>((resolve) => pages.listen(port, '127.0.0.1', resolve))
  return pages
}

describe('a mount whose server is hidden by something that answers with pages', function () {
  this.timeout(120_000)

  let server: TestServer
  let home: Machine

  before(async () => {
    server = await startServer()
    home = await machine(server)
    await home.login()
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  for (const status of [200, 302]) {
    it(`says so, waits, and loses nothing, where it answers ${status}`, async () => {
      const { directory, unmount } = await home.mount()
      const path = join(directory, `file-${status}`)
      await writeFile(path, 'before')
      await server.stop()
      const pages = await portal(server, status)
      const written = writeFile(path, 'written meanwhile')
      try {
        await until('status says so', async () => {
          const told = await home.coffer('status')
          return (
            told.status === 1 &&
            told.stdout.includes(`something before the server answered ${status}`)
          )
        })
      } finally {
        pages.close()
        pages.closeAllConnections()
        await server.restart()
      }
      await written
      expect(await readFile(path, 'utf8')).to.equal('written meanwhile')
      await until('the mount is well again', async () => (await home.coffer('status')).status === 0)
      await unmount()
    })
  }
})
