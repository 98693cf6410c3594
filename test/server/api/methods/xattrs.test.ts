import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { type Answer, type FileServer, startFileServer } from '../file-server.js'

describe('extended attributes', () => {
  let server: FileServer
  before(async () => {
    server = await startFileServer()
    await server.send('PUT', '/files/f', { body: 'f' })
    await server.send('POST', '/files/d')
  })
  after(() => server.close())

  const set = (query: string, body: string | Buffer, target = '/files/f') =>
    server.send('PUT', `${target}?${query}`, { body })
  const outcome = (answer: Answer) => [answer.status, answer.problem().code]

  it('sets, lists, reads and removes them', async () => {
    const value = Buffer.from([0, 1, 255])
    expect((await set('xattr=user.b', value)).status).to.equal(204)
    expect((await set('xattr=user.a%20%C3%A4', '')).status).to.equal(204)
    const names = await server.send('GET', '/files/f?xattrs')
    expect(JSON.parse(names.body.toString())).to.have.members(['user.a ä', 'user.b'])
    const read = await server.send('GET', '/files/f?xattr=user.b')
    expect(read.body.equals(value)).to.equal(true)
    expect(read.headers).to.include({
      'content-type': 'application/octet-stream',
      'content-length': '3',
    })
    expect((await server.send('DELETE', '/files/f?xattr=user.b')).status).to.equal(204)
    expect(outcome(await server.send('GET', '/files/f?xattr=user.b'))).to.deep.equal([
      404,
      'ENODATA',
    ])
    const again = await server.send('DELETE', '/files/f?xattr=user.b')
    expect(outcome(again)).to.deep.equal([404, 'ENODATA'])
    expect((await server.send('HEAD', '/files/f')).status).to.equal(200)
  })

  it('creates only, replaces only', async () => {
    expect(outcome(await set('xattr=user.m&mode=replace', 'x'))).to.deep.equal([404, 'ENODATA'])
    expect((await set('xattr=user.m&mode=create', '1')).status).to.equal(204)
    expect(outcome(await set('xattr=user.m&mode=create', '2'))).to.deep.equal([409, 'EEXIST'])
    expect((await set('xattr=user.m&mode=replace', '3')).status).to.equal(204)
    expect((await server.send('GET', '/files/f?xattr=user.m')).body.toString()).to.equal('3')
  })

  it('has them on directories too', async () => {
    expect((await set('xattr=user.d', 'x', '/files/d')).status).to.equal(204)
    expect((await server.send('GET', '/files/d?xattr=user.d')).body.toString()).to.equal('x')
  })

  const refused: [query: string, size: number, status: number][] = [
    ['xattr=', 1, 400],
    [`xattr=user.${'a'.repeat(251)}`, 1, 400],
    ['xattr=user.%00', 1, 400],
    ['xattr=user.%ff', 1, 400],
    ['xattr=user.a&mode=both', 1, 400],
    ['mode=create', 1, 400],
    ['xattr=user.a&xattr=user.b', 1, 400],
    ['xattr=user.big', 65_537, 413],
  ]
  for (const [query, size, status] of refused) {
    it(`refuses ?${query.slice(0, 40)} of ${size} bytes with ${status}`, async () => {
      expect((await set(query, Buffer.alloc(size))).status).to.equal(status)
    })
  }

  it('verifies the digests of a value (RFC 9530)', async () => {
    const digest = `sha-256=:${createHash('sha256').update('right').digest('base64')}:`
    await set('xattr=user.digest', 'old')
    for (const name of ['Content-Digest', 'Repr-Digest']) {
      const send = (body: string) =>
        server.send('PUT', '/files/f?xattr=user.digest', { body, headers: { [name]: digest } })
      expect(outcome(await send('wrong'))).to.deep.equal([400, 'EINVAL'])
      expect((await server.send('GET', '/files/f?xattr=user.digest')).body.toString()).to.equal(
        'old',
      )
      expect((await send('right')).status).to.equal(204)
      await set('xattr=user.digest', 'old')
    }
  })

  it('takes a value of 64 KiB', async () => {
    expect((await set('xattr=user.most', Buffer.alloc(65_536))).status).to.equal(204)
  })
})
