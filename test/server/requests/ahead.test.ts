import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import express, { type ErrorRequestHandler } from 'express'
import { LeanResponse } from '../../../server/connections/lean-response.js'
import { ahead, failedAhead, type LeanStep } from '../../../server/requests/ahead.js'

describe('what is served ahead of Express', () => {
  const steps = (answer: LeanStep): LeanStep[] => [
    (_request, response, next) => {
      response.common = ['X-Common', 'yes']
      next()
    },
    answer,
  ]

  async function asked(answer: LeanStep): Promise<{ received: string; handled: unknown[] }> {
    const handled: unknown[] = []
    const app = express().disable('x-powered-by')
    app.use(failedAhead)
    const onError: ErrorRequestHandler = (error, _request, response, _next) => {
      handled.push(error)
      if (response.headersSent) response.end(' and the end')
      else response.status(500).send(`failed, X-Common: ${response.get('X-Common')}`)
    }
    app.use(onError)
    const lanes = [{ match: () => true, steps: steps(answer) }]
    const server = http.createServer({ ServerResponse: LeanResponse }, ahead(lanes, app))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const [response] = (await once(http.get({ port, host: '127.0.0.1' }), 'response')) as [
        http.IncomingMessage,
      ]
      return { received: await text(response), handled }
    } finally {
      server.close()
      server.closeAllConnections()
    }
  }

  it('fails with the fields that every answer has', async () => {
    const failure = new Error('no')
    const { received, handled } = await asked((_request, _response, next) => next(failure))
    expect([received, handled]).to.deep.equal(['failed, X-Common: yes', [failure]])
  })

  it('fails where a step throws', async () => {
    const failure = new Error('no')
    const { received, handled } = await asked(() => {
      throw failure
    })
    expect([received, handled]).to.deep.equal(['failed, X-Common: yes', [failure]])
  })

  it('may fail in the middle of its answer, as when a client goes away', async () => {
    const failure = new Error('no')
    let thrown: unknown
    const { received, handled } = await asked((_request, response, next) => {
      response.writeHead(200, { 'Content-Type': 'text/plain' })
      response.write('the beginning')
      try {
        next(failure)
      } catch (error) {
        thrown = error
        response.end()
      }
    })
    expect([received, handled, thrown]).to.deep.equal([
      'the beginning and the end',
      [failure],
      undefined,
    ])
  })
})

describe('what Express serves', () => {
  it('knows the address of who has hung up before its turn comes: failures count by it', async () => {
    const app = express()
    const served = new Promise<string | undefined>((resolve) => {
      app.use(({ ip, socket }) => resolve(socket.destroyed ? ip : 'still there'))
    })
    const listener = ahead([], app)
    const server = http.createServer({ ServerResponse: LeanResponse }, (request, response) => {
      listener(request, response)
      request.socket.destroy()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    http.get({ port, host: '127.0.0.1' }).on('error', () => {})
    expect(await served).to.equal('127.0.0.1')
    server.close()
  })
})
