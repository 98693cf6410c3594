import { expect } from 'chai'
import { fileName } from '../../../../server/storage/path.js'
import { type FileServer, startFileServer } from '../file-server.js'

describe('GET of a directory', () => {
  let server: FileServer
  const names = ['B', 'a', 'a b', 'z&=+?#', 'ä', '€'] // in the order of their bytes

  before(async () => {
    server = await startFileServer()
    await server.send('POST', '/files/d')
    for (const name of names.toReversed()) {
      await server.send('PUT', `/files/d/${encodeURIComponent(name)}`, { body: name })
    }
  })
  after(() => server.close())

  it('lists names with all attributes', async () => {
    const answer = await server.send('GET', '/files/d')
    expect(answer.headers).to.include({
      'content-type': 'application/json',
      'x-file-type': 'directory',
    })
    expect(answer.entries().map((entry) => entry.name)).to.deep.equal(names)
    const [, a] = answer.entries()
    expect(a).to.include({
      name: 'a',
      type: 'file',
      size: 1,
      mode: 0o644,
      uid: 0,
      gid: 0,
      nlink: 1,
    })
    const file = await server.send('HEAD', '/files/d/a')
    const { name: _, ...attributes } = a ?? { name: '' }
    expect(attributes).to.deep.equal(file.attributes())
  })

  it('pages, each page saying where the next one is', async () => {
    const seen: string[] = []
    let target: string | undefined = '/files/d?limit=2'
    let pages = 0
    while (target !== undefined) {
      const answer = await server.send('GET', target)
      seen.push(...answer.entries().map((entry) => entry.name))
      const [, next] = /^<(.*)>; rel="next"$/.exec(String(answer.headers.link)) ?? []
      target = next && `/files/d${next}`
      pages++
    }
    expect([seen, pages]).to.deep.equal([names, 3])
  })

  it('goes on after a name that is gone', async () => {
    const { entries } = await server.send('GET', '/files/d?after=aa')
    expect(entries().map((entry) => entry.name)).to.deep.equal(names.slice(3))
  })

  it('streams a directory of many pages', async () => {
    const tree = await server.storage.tree('alice')
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    const wanted = Array.from({ length: 2500 }, (_, i) => `n${String(i).padStart(5, '0')}`)
    await server.send('POST', '/files/many')
    const { ino } = (await server.send('HEAD', '/files/many')).attributes()
    for (const name of wanted) {
      const place = { directory: ino, name: fileName(name) }
      await tree.make(place, { type: 'file' }, attributes, {})
    }
    const answer = await server.send('GET', '/files/many')
    expect(answer.entries().map((entry) => entry.name)).to.deep.equal(wanted)
    expect(answer.headers).not.to.have.property('content-length')
    const head = await server.send('HEAD', '/files/many')
    expect(head.headers).not.to.have.property('content-length')
  })

  it('answers a symlink and a special file with their attributes', async () => {
    const json = { 'Content-Type': 'application/json' }
    const make = (name: string, body: object) =>
      server.send('POST', `/files/${name}`, { headers: json, body: JSON.stringify(body) })
    await make('link', { type: 'symlink', target: '../ä/nowhere' })
    await make('pipe', { type: 'fifo', mode: 0o600 })
    const link = await server.send('GET', '/files/link')
    expect(link.headers['x-file-type']).to.equal('symlink')
    expect(JSON.parse(link.body.toString())).to.deep.equal(link.attributes())
    expect(link.attributes().target).to.equal('../ä/nowhere')
    expect(String(link.headers['coffer-attributes'])).to.match(/^[\x20-\x7e]+$/)
    const pipe = await server.send('GET', '/files/pipe')
    expect(pipe.attributes()).to.include({ type: 'fifo', mode: 0o600, size: 0 })
    expect((await server.send('GET', '/files/link/below')).problem().code).to.equal('ENOTDIR')
  })

  it('leaves a very long symlink text to the body, where header fields have no room', async () => {
    const target = 'ä'.repeat(2000)
    const body = JSON.stringify({ type: 'symlink', target })
    const headers = { 'Content-Type': 'application/json' }
    expect((await server.send('POST', '/files/long', { headers, body })).status).to.equal(201)
    const answer = await server.send('GET', '/files/long')
    expect(JSON.parse(answer.body.toString()).target).to.equal(target)
    expect(answer.attributes()).not.to.have.property('target')
  })
})

describe('GET /totals', () => {
  it('answers statfs(2) numbers', async () => {
    const server = await startFileServer()
    const totals = JSON.parse((await server.send('GET', '/totals')).body.toString())
    await server.close()
    expect(totals).to.have.all.keys(
      'block_size',
      'total_bytes',
      'free_bytes',
      'total_inodes',
      'free_inodes',
      'name_max',
    )
    expect(totals.name_max).to.equal(255)
    expect(totals.free_bytes).to.be.above(0)
    expect(totals.free_bytes).to.be.at.most(totals.total_bytes)
  })
})
