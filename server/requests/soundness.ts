import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { Middleware } from '../../oauth/index.js'
import { dropRest } from '../api/input/body.js'
import type { LeanResponse } from '../connections/lean-response.js'
import { Refusal } from '../http/refusal.js'

/** Host = uri-host [ ":" port ] (RFC 9110 section 7.2), a reg-name or an IP-literal (RFC 3986 section 3.2.2) */
const HOST = /^(?:\[[\w.~%:-]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d*)?$/

/** Requests that expect what there is not. */
const expecting = new WeakSet<IncomingMessage>()

/** Lets requests with an unknown expectation be refused like any other; Node would answer 417 without a word. */
export function takeExpectations(
  server: Server<typeof IncomingMessage, typeof LeanResponse>,
  handle: RequestListener<typeof IncomingMessage, typeof LeanResponse>,
): void {
  server.on(
    'checkExpectation',
    (request: IncomingMessage, response: InstanceType<typeof LeanResponse>) => {
      expecting.add(request)
      handle(request, response)
    },
  )
}

/** What is wrong with a request whoever it is for (RFC 9110 section 10.1.1, RFC 9112 section 3.2). */
export const sound: Middleware = (request, response, next) => {
  const refusal = refusalOf(request)
  if (refusal === undefined) {
    next()
    return
  }
  dropRest(request, response)
  next(refusal)
}

function refusalOf(request: IncomingMessage): Refusal | undefined {
  const hosts = hostsOf(request)
  // HTTP/1.0 had no such field
  if (hosts > 1 || (hosts === 0 && request.httpVersion === '1.1')) {
    return new Refusal(400, 'a request has one Host field')
  }
  if (!HOST.test(request.headers.host ?? '')) {
    return new Refusal(400, 'Host is a name or an address, with or without a port')
  }
  if (!expecting.has(request)) return undefined
  return new Refusal(417, 'the only expectation that can be met is 100-continue')
}

function hostsOf({ rawHeaders }: IncomingMessage): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1
  }
  return count
}
