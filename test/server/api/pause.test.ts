import { Readable } from 'node:stream'
import { expect } from 'chai'
import { deferred } from '../../../server/storage/parts/deferred.js'
import { BATCH_TYPE } from '../../../server/wire/frames.js'
import { type FileServer, startFileServer } from './file-server.js'
import { encode, openChannel, results } from './frames.js'

/** What changes something waits for the engine where it says so; what reads never does. */
describe('while changes have to wait', () => {
  let server: FileServer
  let root: number
  beforeEach(async () => {
    server = await startFileServer()
    root = (await server.send('HEAD', '/files')).attributes().ino
  })
  afterEach(() => server.close())

  const make = () => {
    const place = { directory: root, name: 'new' }
    return encode([[{ op: 'make', place, what: { type: 'directory' } }]])
  }
  const stat = () => encode([[{ op: 'stat', ino: root }]])
  const batch = async (body: Buffer) => {
    const headers = { 'Content-Type': BATCH_TYPE }
    const answer = await server.send('POST', '/batch', { body, headers })
    return results(Readable.from([answer.body]))
  }
  const channel = async (body: Buffer) => {
    const { socket } = await openChannel(server)
    socket.end(body)
    return results(socket)
  }
  const put = () => server.send('PUT', '/files/new', { body: 'content' })
  const ways: [string, change: () => Promise<unknown>, read: () => Promise<unknown>][] = [
    ['a request', put, () => server.send('HEAD', '/files')],
    ['an operation of a batch', () => batch(make()), () => batch(stat())],
    ['an operation over the channel', () => channel(make()), () => channel(stat())],
  ]
  for (const [what, change, read] of ways) {
    it(`${what} waits if it changes something`, async () => {
      const asked = deferred()
      const { promise, resolve } = deferred()
      server.storage.pause = () => {
        asked.resolve()
        return promise
      }
      await read()
      const changed = change()
      await asked.promise
      expect(await server.send('HEAD', '/files/new')).to.include({ status: 404 })
      server.storage.pause = () => undefined
      resolve()
      await changed
      expect(await server.send('HEAD', '/files/new')).to.include({ status: 200 })
    })
  }
})
