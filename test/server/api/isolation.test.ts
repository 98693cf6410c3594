import { expect } from 'chai'
import { encodeFrame } from '../../../server/wire/frames.js'
import { type FileServer, startFileServer } from './file-server.js'

/** What belongs to somebody else cannot even be named: every guess is as good as a number that never was. */
describe('isolation of users', () => {
  let server: FileServer
  let ino: number
  let directory: number
  before(async () => {
    server = await startFileServer()
    directory = (await server.send('POST', '/files/secret', { user: 'alice' })).attributes().ino
    const put = { body: 'hers', user: 'alice', headers: { 'Content-Type': 'text/plain' } }
    ino = (await server.send('PUT', '/files/secret/f', put)).attributes().ino
    await server.send('PUT', '/files/secret/f?xattr=user.x', { body: 'x', user: 'alice' })
    await server.send('PUT', '/files/mine', { body: 'his', user: 'bob' })
  })
  after(() => server.close())

  it('gives every user an own root', async () => {
    const root = async (user: string) =>
      (await server.send('HEAD', '/files', { user })).attributes()
    expect((await root('alice')).ino).not.to.equal((await root('bob')).ino)
    expect((await server.send('GET', '/files', { user: 'bob' })).entries()).to.have.length(1)
  })

  const json = { 'Content-Type': 'application/json' }
  const guesses: [method: string, target: () => string, headers?: object, body?: () => string][] = [
    ['GET', () => `/inodes/${ino}`],
    ['HEAD', () => `/inodes/${ino}`],
    ['GET', () => `/inodes/${ino}?xattrs`],
    ['GET', () => `/inodes/${ino}?xattr=user.x`],
    ['PUT', () => `/inodes/${ino}?xattr=user.x`, {}, () => 'x'],
    ['DELETE', () => `/inodes/${ino}?xattr=user.x`],
    ['GET', () => `/inodes/${directory}`],
    ['GET', () => `/inodes/${directory}/f`],
    ['PUT', () => `/inodes/${ino}`, {}, () => 'x'],
    ['PUT', () => `/inodes/${directory}/f`, {}, () => 'x'],
    ['PUT', () => `/inodes/${directory}/new`, {}, () => 'x'],
    ['PATCH', () => `/inodes/${ino}`, json, () => '{"mode":0}'],
    [
      'PATCH',
      () => `/inodes/${ino}?append`,
      { 'Content-Type': 'application/octet-stream' },
      () => 'x',
    ],
    ['POST', () => `/inodes/${directory}/new`],
    ['POST', () => `/inodes/${ino}?sync`],
    ['POST', () => '/files/link', json, () => JSON.stringify({ type: 'link', ino })],
    ['DELETE', () => `/inodes/${ino}`],
    ['DELETE', () => `/inodes/${directory}/f`],
    ['MOVE', () => `/inodes/${directory}/f`, { Destination: '/files/stolen' }],
    ['COPY', () => `/inodes/${ino}`, { Destination: '/files/stolen' }],
    ['COPY', () => `/inodes/${directory}`, { Destination: '/files/stolen' }],
  ]
  for (const [method, target, headers = {}, body] of guesses) {
    it(`answers a guess by ${method} ${target.toString().slice(6)} as if nothing were there`, async () => {
      const options = { user: 'bob', headers: { ...headers }, ...(body && { body: body() }) }
      const guess = await server.send(method, target(), options)
      expect(guess.status).to.equal(404)
      if (method !== 'HEAD') expect(guess.problem().code).to.equal('ENOENT')
    })
  }

  for (const method of ['MOVE', 'COPY']) {
    it(`refuses ${method} into another's directory`, async () => {
      const headers = { Destination: `/inodes/${directory}/planted` }
      const answer = await server.send(method, '/files/mine', { user: 'bob', headers })
      expect([answer.status, answer.problem().code]).to.deep.equal([404, 'ENOENT'])
    })
  }

  it('answers guesses in a batch the same way', async () => {
    const place = { directory, name: 'f' }
    const operations = [
      { op: 'stat', ino },
      { op: 'stat', ino: directory, names: ['f'] },
      { op: 'lookup', directory, name: 'f' },
      { op: 'list', directory },
      { op: 'read', ino },
      { op: 'make', place: { directory, name: 'x' }, what: { type: 'file' } },
      { op: 'link', ino, place: { directory: 1, name: 'x' } },
      { op: 'remove', place, kind: 'unlink' },
      { op: 'release', ino },
      { op: 'setAttributes', ino, changes: { mode: 0 } },
      { op: 'getXattr', ino, name: 'user.x' },
      { op: 'listXattrs', ino },
      { op: 'removeXattr', ino, name: 'user.x' },
      { op: 'rename', from: place, to: { directory, name: 'y' }, mode: 'replace' },
    ]
    const body = Buffer.concat(operations.map((operation) => encodeFrame(operation)))
    const headers = { 'Content-Type': 'application/vnd.coffer.batch' }
    const answer = await server.send('POST', '/batch', { user: 'bob', body, headers })
    const codes = answer.body.toString().match(/"code":"[A-Z]+"/g)
    expect(codes).to.deep.equal(operations.map(() => '"code":"ENOENT"'))
  })

  it('left everything as it was', async () => {
    const file = await server.send('GET', '/files/secret/f', { user: 'alice' })
    expect([file.body.toString(), file.attributes().mode, file.attributes().nlink]).to.deep.equal([
      'hers',
      0o644,
      1,
    ])
    expect((await server.send('GET', '/files/secret', { user: 'alice' })).entries()).to.have.length(
      1,
    )
    expect((await server.send('GET', '/files', { user: 'bob' })).entries()).to.have.length(1)
  })
})
