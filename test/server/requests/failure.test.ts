import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Writable } from 'node:stream'
import { expect } from 'chai'
import express, { type RequestHandler } from 'express'
import pino from 'pino'
import { FileError } from '../../../server/errors.js'
import { Refusal } from '../../../server/http/refusal.js'
import { onError } from '../../../server/requests/failure.js'
import { pages } from '../../../server/site/pages.js'

it('tells an error to who asks on before the answer to the last request is out (RFC 9112 section 9.3.2)', async () => {
  const app = express()
  app.get('/files/slow', (_request, response) => {
    response.write('slow')
    // Only once the second request has failed.
    app.once('second', () => setImmediate(() => response.end()))
  })
  app.get('/files/fails', (_request, _response, next) => {
    next(new Refusal(409, 'not now'))
    app.emit('second')
  })
  app.use(onError(pages('https://localhost'), pino({ level: 'silent' })))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const request = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: h\r\n${more}\r\n`
  socket.write(request('/files/slow') + request('/files/fails', 'Connection: close\r\n'))
  let answers = ''
  for await (const chunk of socket) answers += chunk
  server.close()
  expect(answers).to.match(/^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 409 /)
})

/** When it is too late for an answer, the log is all there is. */
describe('an error that nobody can be told', () => {
  interface Line {
    readonly level: number
    readonly msg: string
  }

  /** What is logged of a request that is served so; the client goes away once it has the first bytes, if it is to. */
  async function logged(client: 'stays' | 'goes', serve: RequestHandler): Promise<Line> {
    let tell: (line: Line) => void = () => {}
    const line = new Promise<Line>((resolve) => {
      tell = resolve
    })
    const sink = new Writable({
      write(chunk, _encoding, done) {
        tell(JSON.parse(String(chunk)))
        done()
      },
    })
    const app = express()
    app.use(serve)
    app.use(onError(pages('https://localhost'), pino({ level: 'debug' }, sink)))
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const request = http.get({ host: '127.0.0.1', port, path: '/files/f' })
    request.on('error', () => {})
    request.on('response', (response) => {
      response.on('error', () => {})
      response.on('data', () => client === 'goes' && request.destroy())
    })
    try {
      return await line
    } finally {
      request.destroy()
      server.closeAllConnections()
      server.close()
    }
  }

  const LEVEL = { debug: 20, warn: 40, error: 50 }
  const reset = Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
  const storage = () => new FileError('EIO', 'the disk failed')

  /** Fails after the first bytes of the answer. */
  const midway =
    (error: Error): RequestHandler =>
    (_request, response, next) => {
      response.write('begun')
      setImmediate(() => next(error))
    }
  /** Fails when the client has gone. */
  const alone =
    (error: Error): RequestHandler =>
    (_request, response, next) => {
      response.write('begun')
      response.once('close', () => next(error))
    }

  const rows: [string, 'stays' | 'goes', RequestHandler, Line][] = [
    [
      'a disk that fails in the middle of an answer is an error',
      'stays',
      midway(storage()),
      { level: LEVEL.error, msg: 'a request failed' },
    ],
    [
      'a disk that fails when the client has gone is one, too',
      'goes',
      alone(storage()),
      { level: LEVEL.error, msg: 'a request failed' },
    ],
    [
      'so is what nobody thought of',
      'goes',
      alone(new TypeError('x is undefined')),
      { level: LEVEL.error, msg: 'a request failed' },
    ],
    [
      'a file that changes while it is read breaks the answer off',
      'stays',
      midway(new FileError('EBUSY', 'the file became shorter')),
      { level: LEVEL.warn, msg: 'the answer broke off' },
    ],
    [
      'a client that goes away is its own business',
      'goes',
      alone(reset),
      { level: LEVEL.debug, msg: 'the client went away' },
    ],
  ]
  for (const [what, client, serve, expected] of rows) {
    it(what, async () => {
      const { level, msg } = await logged(client, serve)
      expect({ level, msg }).to.deep.equal(expected)
    })
  }

  const refusals: [string, Error, Line][] = [
    [
      'a quota that is used up is the business of its user',
      new FileError('EDQUOT', 'no room left'),
      { level: LEVEL.debug, msg: 'refused' },
    ],
    [
      'a disk that is full is that of who serves',
      new FileError('ENOSPC', 'the disk is full'),
      { level: LEVEL.error, msg: 'a request failed' },
    ],
    [
      'what HTTP does not let us do is no fault',
      new Refusal(501, 'no such coding'),
      { level: LEVEL.debug, msg: 'refused' },
    ],
  ]
  for (const [what, error, expected] of refusals) {
    it(what, async () => {
      const { level, msg } = await logged('stays', (_request, _response, next) => next(error))
      expect({ level, msg }).to.deep.equal(expected)
    })
  }

  it('is an ordinary 500 while there is time for one, even if it looks like a disconnect', async () => {
    const { level, msg } = await logged('stays', (_request, _response, next) => next(reset))
    expect({ level, msg }).to.deep.equal({ level: LEVEL.error, msg: 'a request failed' })
  })
})
