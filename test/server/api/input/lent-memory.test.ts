import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { LentMemory } from '../../../../server/api/input/lent-memory.js'
import { type FileServer, startFileServer } from '../file-server.js'

const MIB = 1 << 20

describe('memory that is lent to bodies', () => {
  let memory: LentMemory
  beforeEach(() => {
    memory = new LentMemory()
  })

  it('is used again once it has been given back', () => {
    const first = memory.take(4 * MIB)
    const { buffer } = first?.data ?? {}
    first?.giveBack()
    const next = memory.take(2 * MIB)
    expect(next?.data.buffer).to.equal(buffer)
    expect(next?.data).to.have.length(2 * MIB)
  })

  it('is not used again where somebody may look at it still', () => {
    const first = memory.take(4 * MIB)
    const { buffer } = first?.data ?? {}
    first?.giveUp()
    expect(memory.take(4 * MIB)?.data.buffer).not.to.equal(buffer)
  })

  it('is lent to six at a time, and to none that is short or longer than a part', () => {
    const all = Array.from({ length: 7 }, () => memory.take(4 * MIB))
    expect(all.map((lent) => lent !== undefined)).to.deep.equal([...Array(6).fill(true), false])
    all[0]?.giveUp()
    all[1]?.giveBack()
    for (const bytes of [MIB - 1, 4 * MIB + 1]) expect(memory.take(bytes)).to.equal(undefined)
    expect(memory.take(MIB)).not.to.equal(undefined)
    expect(memory.take(4 * MIB)).not.to.equal(undefined)
  })

  it('is not taken before a body comes', () => {
    const before = process.memoryUsage().arrayBuffers
    const lent = memory.take(4 * MIB)
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(MIB)
    expect(lent?.data).to.have.length(4 * MIB)
  })
})

describe('parts of a long file that come at the same time', () => {
  let server: FileServer
  beforeEach(async () => {
    server = await startFileServer({ limits: { uploadBytes: 10 * MIB } })
  })
  afterEach(() => server.close())

  const patch = (at: number, length: number, body: Buffer, headers = {}) =>
    server.send('PATCH', '/files/f', {
      body,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Range': `bytes ${at}-${at + length - 1}/*`,
        ...headers,
      },
    })

  it('are each what was sent, however often their memory is used', async () => {
    await server.send('PUT', '/files/f', { body: '' })
    for (let round = 0; round < 3; round += 1) {
      const whole = randomBytes(10 * MIB)
      const lengths = [MIB, 2 * MIB, MIB - 1, MIB + 1, MIB, 2 * MIB, MIB, MIB]
      let at = 0
      const parts = lengths.map((length) => {
        const from = at
        at += length
        return patch(from, length, whole.subarray(from, at))
      })
      expect((await Promise.all(parts)).map(({ status }) => status)).to.deep.equal(
        lengths.map(() => 204),
      )
      const { body } = await server.send('GET', '/files/f')
      expect(body.equals(whole)).to.equal(true)
    }
  })

  it('write nothing where they are unlike their Content-Range, again and again', async () => {
    await server.send('PUT', '/files/f', { body: 'old' })
    const chunked = { 'Transfer-Encoding': 'chunked' }
    for (let round = 0; round < 8; round += 1) {
      for (const length of [2 * MIB - 1, 2 * MIB + 1]) {
        const answer = await patch(0, 2 * MIB, Buffer.alloc(length, 'x'), chunked)
        expect(answer.status).to.equal(400)
      }
    }
    expect((await server.send('GET', '/files/f')).body.toString()).to.equal('old')
    const data = randomBytes(2 * MIB)
    expect((await patch(0, 2 * MIB, data)).status).to.equal(204)
    expect((await server.send('GET', '/files/f')).body.equals(data)).to.equal(true)
  })
})
