import { expect } from 'chai'
import { httpClient } from '../../../client/http/api.js'
import { TurnShare } from '../../../client/http/turn-share.js'
import { type SmallServer, smallServer } from '../login/small-server.js'

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('what long answers take of a turn of the event loop', () => {
  it('is no more than its share, and who comes later goes on in the next one', async () => {
    const share = new TurnShare(10)
    const goneOn: string[] = []
    const take = (who: string, bytes: number) => share.take(bytes, () => goneOn.push(who))
    expect(take('first', 6)).to.equal(true)
    expect(take('second', 6)).to.equal(false)
    expect(take('first', 1)).to.equal(false)
    expect(goneOn).to.deep.equal([])
    await nextTurn()
    expect(goneOn).to.deep.equal(['second', 'first'])
    expect(take('first', 9)).to.equal(true)
    await nextTurn()
    expect(goneOn).to.deep.equal(['second', 'first'])
  })

  describe('over connections', () => {
    const BYTES = 4 << 20
    const ANSWERS = 4
    /** What one turn takes at most: the share, and what was just read from each socket. */
    const TURN_BYTES = (512 + ANSWERS * 64) << 10
    const content = Buffer.alloc(BYTES, 'x')
    let server: SmallServer

    beforeEach(async () => {
      server = await smallServer((_, response) => {
        response.writeHead(206, { 'Content-Length': BYTES })
        response.end(content)
      })
    })
    afterEach(() => server.close())

    it('leaves turns to small operations, however fast they bring it', async () => {
      const client = httpClient({ trust: { kind: 'authority', pem: server.authority.certificate } })
      const range = { method: 'GET', url: server.url, limit: BYTES, headers: { Range: 'bytes=0-' } }
      let turns = 0
      let isOver = false
      const counting = (async () => {
        for (; !isOver; turns++) await nextTurn()
      })()
      const answers = await Promise.all(Array.from({ length: ANSWERS }, () => client.send(range)))
      isOver = true
      await counting
      for (const { body } of answers) expect(body.equals(content)).to.equal(true)
      expect(turns).to.be.at.least((ANSWERS * BYTES) / TURN_BYTES)
      client.close()
    })
  })
})
