import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import express, { type ErrorRequestHandler } from 'express'
import { deadline } from '../../../server/requests/deadline.js'

describe('the deadline for forms', () => {
  let socket: Socket
  let close: () => void
  let received: string

  beforeEach(async () => {
    const app = express()
    app.use(deadline(50))
    app.use(express.text({ type: '*/*' }))
    app.use((request, response) => {
      setTimeout(() => response.send(`got ${request.body}`), 150)
    })
    const silent: ErrorRequestHandler = (_error, _request, response, _next) => {
      response.destroy()
    }
    app.use(silent)
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    received = ''
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.on('error', () => {})
    close = () => server.close()
  })
  afterEach(() => {
    socket.destroy()
    close()
  })

  const head =
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n'

  it('cuts a body that does not come', async () => {
    socket.write(`${head}ab`)
    await once(socket, 'close')
    expect(received).to.equal('')
  })

  it('leaves alone what has come, however long the answer takes', async () => {
    socket.write(`${head}abcd`)
    await once(socket, 'close')
    expect(received).to.contain('got abcd')
  })
})
