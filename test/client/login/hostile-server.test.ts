import { writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import { httpClient } from '../../../client/http/api.js'
import { type Exchange, ExchangeError } from '../../../client/http/exchange.js'
import { discover } from '../../../client/login/discovery.js'
import { DpopKey } from '../../../client/login/dpop.js'
import { Refused, requestTokens } from '../../../client/login/token-endpoint.js'
import type { Tokens } from '../../../client/login/tokens.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { outcome } from '../../support/process.js'
import { program } from '../../support/program.js'
import { bodyOf, json, type SmallServer, smallServer } from './small-server.js'

/** What a server that means harm, or is broken, may answer to a token request. */
describe('a token request to a hostile server', () => {
  const good = { access_token: 'a', token_type: 'Bearer', expires_in: 900, refresh_token: 'r' }
  let server: SmallServer
  let forms: string[]
  let sent: Exchange[]
  let answer: (response: ServerResponse) => void

  beforeEach(async () => {
    forms = []
    sent = []
    server = await smallServer(async (request, response) => {
      forms.push(await bodyOf(request))
      answer(response)
    })
  })
  afterEach(() => server.close())

  const client = () =>
    httpClient({ trust: { kind: 'authority', pem: server.authority.certificate } })
  async function ask(key?: DpopKey): Promise<Tokens> {
    const { send, close } = client()
    try {
      return await requestTokens({
        endpoint: {
          client_id: 'coffer',
          token_endpoint: `${server.url.origin}/token`,
          scope: 'file.read',
        },
        grant: { grant_type: 'refresh_token', refresh_token: 'secret' },
        now: 0,
        key,
        async send(exchange) {
          sent.push(exchange)
          return send(exchange)
        },
      })
    } finally {
      close()
    }
  }
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'it did not fail',
      (error: unknown) => error,
    )
  const key = () => DpopKey.generate(Date.now)

  it('is not followed elsewhere, whatever the redirect', async () => {
    const reached: string[] = []
    const other = await smallServer((request, response) => {
      reached.push(request.url ?? '')
      json(response, 200, good)
    })
    try {
      for (const status of [301, 302, 303, 307, 308]) {
        answer = (response) => json(response, status, {}, { Location: `${other.url.origin}/token` })
        expect(await failure(ask()), `${status}`).to.be.instanceOf(Refused)
      }
      expect(forms).to.have.length(5)
      expect(reached).to.deep.equal([])
    } finally {
      await other.close()
    }
  })

  const types: [token_type: string | undefined, proof: 'with' | 'without'][] = [
    ['Bearer', 'with'], // RFC 9449 section 5: a downgrade
    ['DPoP', 'without'],
    ['mac', 'without'], // RFC 6749 section 7.1
    ['N_A', 'with'],
    [undefined, 'without'],
  ]
  for (const [token_type, proof] of types) {
    it(`takes no token of type ${token_type} for a request ${proof} a proof`, async () => {
      answer = (response) => json(response, 200, { ...good, token_type })
      const error = await failure(ask(proof === 'with' ? key() : undefined))
      expect(error).to.be.instanceOf(Refused).with.property('error', 'server_error')
    })
  }

  it('takes the types it knows in any case (RFC 6749 section 5.1)', async () => {
    answer = (response) => json(response, 200, { ...good, token_type: 'BEARER' })
    expect((await ask()).token_type).to.equal('Bearer')
    answer = (response) => json(response, 200, { ...good, token_type: 'dPOP' })
    expect((await ask(key())).token_type).to.equal('DPoP')
  })

  const senseless: [what: string, members: Record<string, unknown>][] = [
    ['a token that breaks out of its header field', { access_token: 'a\r\nX: y' }],
    ['a token that is no text', { access_token: { toString: 'a' } }],
    ['a life that no number holds', { expires_in: 1e308 }],
    ['a life that is over', { expires_in: -1 }],
  ]
  for (const [what, members] of senseless) {
    it(`refuses ${what}`, async () => {
      answer = (response) => json(response, 200, { ...good, ...members })
      expect(await failure(ask())).to.be.instanceOf(Refused)
    })
  }

  it('ends although every answer asks for another nonce (RFC 9449 section 8)', async () => {
    answer = (response) =>
      json(response, 400, { error: 'use_dpop_nonce' }, { 'DPoP-Nonce': `nonce-${forms.length}` })
    expect(await failure(ask(key())))
      .to.be.instanceOf(Refused)
      .with.property('error', 'use_dpop_nonce')
    expect(forms).to.have.length(3)
  })

  it('reads no more of an answer than it may be long', async () => {
    let written = 0
    answer = (response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      const more = (): void => {
        while (!response.destroyed && written < 1 << 30) {
          written += 65_536
          if (!response.write(Buffer.alloc(65_536, ' '))) return
        }
        response.end()
      }
      response.on('drain', more)
      more()
    }
    expect(await failure(ask()))
      .to.be.instanceOf(ExchangeError)
      .with.property('kind', 'oversized')
    expect(written).to.be.below(64 << 20)
  })

  it('does not wait for ever for an answer that trickles', async () => {
    const timers: NodeJS.Timeout[] = []
    answer = (response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      timers.push(setInterval(() => response.write(' '), 20))
    }
    const { send, close } = client()
    try {
      const exchange = { method: 'GET', url: server.url, limit: 1000, deadlineMilliseconds: 2_000 }
      expect(await failure(send(exchange)))
        .to.be.instanceOf(ExchangeError)
        .with.property('kind', 'lost')
    } finally {
      for (const timer of timers) clearInterval(timer)
      close()
    }
    answer = (response) => json(response, 404, {})
    await failure(ask())
    const discovering = client()
    await failure(
      discover(server.url, (exchange) => {
        sent.push(exchange)
        return discovering.send(exchange)
      }),
    )
    discovering.close()
    expect(sent).to.have.length(2)
    for (const { deadlineMilliseconds } of sent) expect(deadlineMilliseconds).to.equal(30_000)
  })

  it('commands no terminal (coffer login)', async function () {
    this.timeout(30_000)
    const home = await temporaryDirectory('hostile')
    const { origin } = server.url
    const documents: Record<string, object> = {
      '/.well-known/oauth-protected-resource/files': {
        resource: `${origin}/files`,
        authorization_servers: [origin],
      },
      '/.well-known/oauth-authorization-server': {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        device_authorization_endpoint: `${origin}/device`,
        code_challenge_methods_supported: ['S256'],
      },
      '/device': { error: 'x\x1b[2J', error_description: 'no\x1b]0;owned\x07\r\u202eko' },
    }
    const evil = await smallServer((request, response) => {
      const document = documents[request.url ?? '']
      const challenge = `Bearer resource_metadata="${evil.url.origin}/.well-known/oauth-protected-resource/files"`
      const text = JSON.stringify(document ?? {}).replaceAll(origin, evil.url.origin)
      const status = document === undefined ? 401 : 'error' in document ? 400 : 200
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'WWW-Authenticate': challenge,
      })
      response.end(text)
    })
    try {
      const ca = join(home, 'ca.pem')
      await writeFile(ca, evil.authority.certificate)
      const { status, stderr, stdout } = await outcome(
        process.execPath,
        [...program('client'), 'login', '--device', '--ca', ca, evil.url.origin],
        {
          env: { HOME: home, COFFER_CONFIG_DIR: join(home, 'config'), COFFER_TOKEN_STORE: 'file' },
        },
      )
      expect(status).to.equal(1)
      expect(stderr).to.include('refused the login')
      expect(stderr + stdout).to.not.match(/(?!\n)\p{Cc}|\u202e/u)
    } finally {
      await evil.close()
      await removeDirectory(home)
    }
  })
})
