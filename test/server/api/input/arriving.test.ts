import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect } from 'chai'
import { arriving } from '../../../../server/api/input/arriving.js'
import { withWholeRequest } from '../../../support/whole-request.js'

const BYTES = 2000

describe('the body of a request that is here before it is read', () => {
  for (const pieces of [[], ['all'], ['a', 'few', 'pieces']]) {
    it(`comes whole, in ${pieces.length} pieces`, async () => {
      await withWholeRequest(pieces, async (request) => {
        const come: Buffer[] = []
        for await (const all of arriving(request)) come.push(...all)
        expect(Buffer.concat(come).toString()).to.equal(pieces.join(''))
      })
    })
  }
})

describe('the body of a request that comes in single bytes', () => {
  it('is held in few of them at a time, and comes whole', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    try {
      socket.write('PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
      const [request] = (await once(server, 'request')) as [IncomingMessage]
      socket.write('1\r\nx\r\n'.repeat(BYTES))
      let come = 0
      for await (const pieces of arriving(request)) {
        const size = pieces.reduce((sum, { length }) => sum + length, 0)
        expect(size).to.be.at.most(256)
        come += size
        if (come === BYTES) socket.write('0\r\n\r\n')
      }
      expect(come).to.equal(BYTES)
    } finally {
      socket.destroy()
      server.close()
    }
  })
})
