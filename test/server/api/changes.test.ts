import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { openDatabase } from '../../../server/database/database.js'
import { KEPT_CHANGES } from '../../../server/storage/parts/change-log.js'
import type { WireChange } from '../../../server/wire/changes.js'
import { connectionOf } from '../../../server/wire/connection.js'
import { BATCH_TYPE, encodeFrame } from '../../../server/wire/frames.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { LOCK_END } from '../../../server/wire/locks.js'
import { secretOf } from './connection.js'
import { type FileServer, startFileServer } from './file-server.js'

interface Stream {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** The next event; undefined once the server has ended the stream. */
  next(): Promise<EventSourceMessage | undefined>
  /** The next change. */
  change(): Promise<WireChange>
  close(): void
}

describe('GET /changes', () => {
  let server: FileServer
  let live = true
  const streams: Stream[] = []
  beforeEach(async () => {
    live = true
    server = await startFileServer({
      isLive: async () => live,
      limits: { heartbeatMilliseconds: 30 },
    })
  })
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close()
    await server.close()
  })

  async function open(target = '/changes', headers = {}, at = server): Promise<Stream> {
    const request = http.request({ host: '127.0.0.1', port: at.port, path: target, headers })
    request.end()
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const events: EventSourceMessage[] = []
    const parser = createParser({ onEvent: (event) => events.push(event) })
    const chunks = response[Symbol.asyncIterator]()
    const next = async () => {
      while (events.length === 0) {
        const { done, value } = await chunks.next()
        if (done === true) return undefined
        parser.feed(value.toString())
      }
      return events.shift()
    }
    const stream: Stream = {
      status: response.statusCode ?? 0,
      headers: response.headers,
      next,
      change: async () => {
        const event = await next()
        expect(event?.event).to.equal('change')
        const change: WireChange = JSON.parse(String(event?.data))
        expect(event?.id).to.equal(String(change.seq))
        return change
      },
      close: () => request.destroy(),
    }
    streams.push(stream)
    return stream
  }

  const put = (name: string, headers = {}) =>
    server.send('PUT', `/files/${name}`, { body: name, headers })

  it('answers HEAD with the fields of GET, and is done (RFC 9110 section 9.3.2)', async () => {
    const stream = await open()
    for (let i = 0; i < 101; i += 1) {
      const head = await server.send('HEAD', '/changes?since=0')
      expect([head.status, head.body.length]).to.deep.equal([200, 0])
      for (const name of ['content-type', 'cache-control', 'x-accel-buffering']) {
        expect(head.headers[name]).to.equal(stream.headers[name])
      }
    }
    expect((await server.send('HEAD', '/changes?since=x')).status).to.equal(400)
    expect((await server.send('HEAD', '/changes', { scope: 'file.write' })).status).to.equal(403)
  })

  it('begins with where it is, and tells of every change with its place', async () => {
    const root = (await server.send('HEAD', '/files')).attributes().ino
    await put('before')
    const stream = await open()
    expect(stream.status).to.equal(200)
    expect(stream.headers).to.include({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    })
    const ready = await stream.next()
    expect([ready?.event, ready?.id]).to.deep.equal(['ready', '1'])
    const start = JSON.parse(ready?.data ?? '')
    expect(start).to.have.all.keys('newest', 'run').and.include({ newest: 1 })
    expect(JSON.parse((await (await open()).next())?.data ?? '')).to.deep.equal(start)
    const place = (name: string) => ({ directory: root, name })

    const { ino } = (await put('a')).attributes()
    expect(await stream.change()).to.include({ seq: 2, kind: 'make', ino })
    await put('a')
    expect(await stream.change()).to.deep.include({ kind: 'content', ino, place: place('a') })
    await server.send('PATCH', '/files/a', {
      body: '{"mode":384}',
      headers: { 'Content-Type': 'application/json' },
    })
    expect(await stream.change()).to.deep.include({ kind: 'attributes', ino, place: place('a') })
    await server.send('MOVE', '/files/a', { headers: { Destination: '/files/b' } })
    const renamed = { kind: 'rename', ino, from: place('a'), to: place('b') }
    expect(await stream.change()).to.deep.include(renamed)
    await server.send('DELETE', '/files/b')
    expect(await stream.change()).to.deep.include({ seq: 6, kind: 'remove', place: place('b') })
  })

  it('names the connection that made a change, and leaves out its own on request', async () => {
    const mine = { 'Coffer-Connection': secretOf('mine') }
    const all = await open('/changes', mine)
    const others = await open('/changes?others', mine)
    // "ready", and as both have a connection, how far what it is told of locks goes
    for (const stream of [all, others, all, others]) await stream.next()
    await put('a', mine)
    await put('b', { 'Coffer-Connection': secretOf('theirs') })
    await put('c')
    expect((await all.change()).origin).to.equal(connectionOf(secretOf('mine')))
    expect(await others.change()).to.include({ seq: 2, origin: connectionOf(secretOf('theirs')) })
    expect(await others.change())
      .to.include({ seq: 3 })
      .and.not.have.property('origin')
  })

  it('goes on after Last-Event-ID, which wins over ?since', async () => {
    for (const name of ['a', 'b', 'c']) await put(name)
    const stream = await open('/changes?since=2', { 'Last-Event-ID': '1' })
    expect((await stream.next())?.id).to.equal('1')
    expect([(await stream.change()).seq, (await stream.change()).seq]).to.deep.equal([2, 3])
    const since = await open('/changes?since=2')
    await since.next()
    expect((await since.change()).seq).to.equal(3)
  })

  it('says start afresh to who comes with a number that is none of the log', async () => {
    await put('a')
    const stream = await open('/changes?since=99')
    await stream.next()
    const reset = await stream.next()
    expect([reset?.event, reset?.id, reset?.data]).to.deep.equal(['reset', '1', '{"newest":1}'])
    await put('b')
    expect((await stream.change()).seq).to.equal(2)
  })

  it('says start afresh to who was away for more changes than are kept', async () => {
    for (const name of ['a', 'b', 'c']) await put(name)
    // as if so many had been made since; a page of the log goes with every 128th
    const before = Math.ceil((KEPT_CHANGES + 3) / 128) * 128 - 1
    const database = openDatabase(join(server.directory, 'coffer.sqlite'))
    database.prepare('UPDATE trees SET seq = ?').run(before)
    database.close()
    await put('d')
    const stream = await open('/changes?since=2')
    await stream.next()
    const reset = await stream.next()
    expect([reset?.event, reset?.id]).to.deep.equal(['reset', String(before + 1)])
    await put('e')
    expect((await stream.change()).seq).to.equal(before + 2)
  })

  it('tells nobody of another user’s changes', async () => {
    const stream = await open('/changes', { 'X-User': 'bob' })
    await stream.next()
    await put('hers')
    await server.send('PUT', '/files/his', { body: '', user: 'bob' })
    expect(await stream.change()).to.deep.include({ seq: 1, kind: 'make' })
  })

  it('ends when the token is revoked', async () => {
    const stream = await open()
    await stream.next()
    live = false
    expect(await stream.next()).to.equal(undefined)
  })

  it('tells nothing of what happens after the token was revoked', async () => {
    const heartbeatMilliseconds = 600_000
    const other = await startFileServer({
      isLive: async () => live,
      limits: { heartbeatMilliseconds },
    })
    const stream = await open('/changes', {}, other)
    await stream.next()
    await other.send('PUT', '/files/before', { body: '' })
    await stream.change()
    live = false
    await other.send('PUT', '/files/after', { body: '' })
    const last = await stream.next()
    stream.close()
    await other.close()
    expect(last).to.equal(undefined)
  })

  it('tells nothing of locks after the token was revoked', async () => {
    const heartbeatMilliseconds = 600_000
    const other = await startFileServer({
      isLive: async () => live,
      limits: { heartbeatMilliseconds },
    })
    const ours = { [HEADERS.connection]: secretOf('me') }
    const stream = await open('/changes', ours, other)
    expect((await stream.next())?.event).to.equal('ready')
    expect((await stream.next())?.event).to.equal('told')
    const { ino } = (await other.send('HEAD', '/files/')).attributes()
    const names = { space: 'names', owner: 'o', type: 'write', start: 0, end: LOCK_END, pid: 0 }
    const leased = await other.send('POST', '/batch', {
      headers: { ...ours, 'Content-Type': BATCH_TYPE },
      body: encodeFrame({ op: 'lock', ino, request: 'r', lock: names, delegable: true }),
    })
    expect(leased.body.toString()).to.contain('"state":"granted","delegated":true')
    expect((await stream.next())?.event).to.equal('told')
    live = false
    // It waits until the lease is given back, which is what the stream would tell.
    const waiting = other.send('PUT', '/files/theirs', { body: '' }).catch(() => {})
    const last = await stream.next()
    stream.close()
    await other.close()
    await waiting
    expect(last).to.equal(undefined)
  })

  it('keeps a quiet connection alive with comments that move the last id on', async () => {
    const raw = `GET /changes?others HTTP/1.1\r\nHost: h\r\nCoffer-Connection: ${secretOf('me')}\r\n\r\n`
    const answer = server.raw(raw, /: still here\nid: 1\n\n/)
    await put('a', { 'Coffer-Connection': secretOf('me') })
    expect(await answer).not.to.include('event: change')
  })

  it('tells a burst in order, without a gap', async () => {
    const stream = await open()
    await stream.next()
    await Promise.all(Array.from({ length: 300 }, (_, i) => put(`n${i}`)))
    const seen: number[] = []
    while (seen.length < 300) seen.push((await stream.change()).seq)
    expect(seen).to.deep.equal(Array.from({ length: 300 }, (_, i) => i + 1))
  })

  it('refuses a number that is none, and too many streams of one user', async () => {
    for (const target of ['/changes?since=x', '/changes?since=-1', '/changes?since=']) {
      const answer = await server.send('GET', target)
      expect([answer.status, answer.problem().code]).to.deep.equal([400, 'EINVAL'])
    }
    for (let i = 0; i < 100; i++) await open()
    const answer = await server.send('GET', '/changes')
    expect([answer.status, answer.problem().code]).to.deep.equal([429, 'EBUSY'])
    for (const stream of streams.splice(0, 50)) stream.close()
    let again = answer
    do again = await server.send('GET', '/changes?since=x')
    while (again.status === 429)
  })
})
