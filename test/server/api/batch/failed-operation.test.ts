import { Readable } from 'node:stream'
import { expect } from 'chai'
import type { FileError } from '../../../../server/errors.js'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { BATCH_TYPE } from '../../../../server/wire/frames.js'
import { type FileServer, startFileServer } from '../file-server.js'
import { encode, results } from '../frames.js'

/** The client is told that the reason is in the log. */
describe('an operation that fails for a reason of the server', () => {
  let server: FileServer
  let failed: FileError[]
  let ino: number

  beforeEach(async () => {
    failed = []
    const broken = () => {
      throw Object.assign(new Error('a bad sector'), { code: 'EIO', syscall: 'read' })
    }
    const disk: Disk = { ...nodeDisk }
    server = await startFileServer({ disk, failed: (error) => failed.push(error) })
    const body = Buffer.alloc(100_000, 'x')
    ino = (await server.send('PUT', '/files/f', { body })).attributes().ino
    Object.assign(disk, { readSync: broken, read: async () => broken() })
  })
  afterEach(() => server.close())

  const codeOf = async (operation: object) => {
    const body = encode([[operation]])
    const headers = { 'Content-Type': BATCH_TYPE }
    const answer = await server.send('POST', '/batch', { body, headers })
    return (await results(Readable.from([answer.body])))[0]?.code
  }

  it('is told to the owner of the server, with the reason', async () => {
    expect(await codeOf({ op: 'read', ino, offset: 0, bytes: 10 })).to.equal('EIO')
    expect(failed.map(({ cause }) => (cause as Error).message)).to.deep.equal(['a bad sector'])
  })

  it('is not told where it is the client that asks for what cannot be', async () => {
    expect(await codeOf({ op: 'lookup', directory: 1, name: 'absent' })).to.equal('ENOENT')
    expect(failed).to.deep.equal([])
  })
})
