// An authorization server of Node's own parts that asks nothing: every request to /token gets a JWT with one ES256 signature, every
// other is told that its token is active. What it costs is what TLS, HTTP and the signature cost in Node.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { signingThread } from '../../oauth/keys/signing-thread.js'
import { makeAuthority, makeServerCertificate } from '../../server/tls/authority.js'
import { certificateNames } from '../../server/tls/names.js'

const now = new Date()
const authority = await makeAuthority('the bare one', now)
const { certificate, key } = await makeServerCertificate(authority, certificateNames(), now)
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signing = signingThread()
signing.keep('bare', { key: privateKey, dsaEncoding: 'ieee-p1363' })
/** As long as others have them. */
const header = randomBytes(60).toString('base64url')
const claims = randomBytes(105).toString('hex')

async function answerTo({ url }: IncomingMessage): Promise<string> {
  if (url !== '/token') return '{"active":true}'
  const access_token = await signing.sign('bare', header, claims)
  return JSON.stringify({ access_token, token_type: 'Bearer', refresh_token: 'again' })
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await answerTo(request)
  response.writeHead(200, { 'Content-Length': text.length, 'Content-Type': 'application/json' })
  response.end(text)
}

const server = createServer({ cert: certificate, key, noDelay: true }, (request, response) => {
  request.resume()
  request.once('end', () => serve(request, response).catch(() => response.destroy()))
})
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${(server.address() as AddressInfo).port}`
  process.stdout.write(`ready ${JSON.stringify({ issuer, ca: authority.certificate })}\n`)
})
