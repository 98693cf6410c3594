import { expect } from 'chai'
import { type FileServer, startFileServer } from './file-server.js'

const LEVELS = 60
const LONG = 'n'.repeat(200)

describe('the file API on a tree deeper than its longest path', () => {
  let server: FileServer
  let top: number
  let deepest: number

  const inoOf = async (target: string): Promise<number> =>
    (await server.send('HEAD', target)).attributes().ino

  before(async () => {
    server = await startFileServer()
    await server.send('POST', '/files/top')
    top = await inoOf('/files/top')
    deepest = top
    for (let level = 0; level < LEVELS; level++) {
      const target = `/inodes/${deepest}/${LONG}`
      expect((await server.send('POST', target)).status).to.equal(201)
      deepest = await inoOf(target)
    }
    expect((await server.send('PUT', `/inodes/${deepest}/f`, { body: 'deep' })).status).to.equal(
      201,
    )
  })
  after(() => server.close())

  /** The inode numbers from a directory down, as far as the names go. */
  async function down(from: number): Promise<number[]> {
    const inos = [from]
    for (let ino: number | undefined = from; ino !== undefined; ) {
      const entries = (await server.send('GET', `/inodes/${ino}`)).entries()
      expect(entries).to.have.length(1)
      ino = entries[0]?.type === 'directory' ? entries[0].ino : undefined
      if (ino !== undefined) inos.push(ino)
    }
    return inos
  }

  it('lists every level, and reads at the bottom', async () => {
    const inos = await down(top)
    expect(inos).to.have.length(LEVELS + 1)
    expect(inos.at(-1)).to.equal(deepest)
    expect(String((await server.send('GET', `/inodes/${deepest}/f`)).body)).to.equal('deep')
    const whole = `/files/top/${`${LONG}/`.repeat(LEVELS)}f`
    const answer = await server.send('GET', whole)
    expect([answer.status, answer.problem().code]).to.deep.equal([400, 'ENAMETOOLONG'])
  })

  it('copies it whole, and removes the copy from the bottom up', async () => {
    const headers = { Destination: '/files/copy' }
    expect((await server.send('COPY', '/files/top', { headers })).status).to.equal(201)
    const inos = await down(await inoOf('/files/copy'))
    expect(inos).to.have.length(LEVELS + 1)
    expect(inos).not.to.include(deepest)
    const last = inos.at(-1)
    expect(String((await server.send('GET', `/inodes/${last}/f`)).body)).to.equal('deep')
    expect((await server.send('DELETE', `/inodes/${last}/f`)).status).to.equal(204)
    for (const ino of inos.slice(0, -1).toReversed()) {
      expect((await server.send('DELETE', `/inodes/${ino}/${LONG}`)).status).to.equal(204)
    }
    expect((await server.send('DELETE', '/files/copy')).status).to.equal(204)
    expect(await down(top)).to.have.length(LEVELS + 1)
  })

  it('moves the bottom to the top, and the top not below itself', async () => {
    const from = `/inodes/${deepest}/f`
    const out = await server.send('MOVE', from, { headers: { Destination: '/files/f' } })
    expect(out.status).to.equal(201)
    const back = await server.send('MOVE', '/files/f', { headers: { Destination: from } })
    expect(back.status).to.equal(201)
    const below = { Destination: `/inodes/${deepest}/top` }
    const answer = await server.send('MOVE', '/files/top', { headers: below })
    expect([answer.status, answer.problem().code]).to.deep.equal([400, 'EINVAL'])
  })
})
