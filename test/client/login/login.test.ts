import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { CommandError } from '../../../client/command-error.js'
import { httpClient } from '../../../client/http/api.js'
import type { Send } from '../../../client/http/exchange.js'
import { AccountDirectory } from '../../../client/login/account.js'
import { loginByCode } from '../../../client/login/authorization-code.js'
import { type Authority, discover } from '../../../client/login/discovery.js'
import { login as wholeLogin } from '../../../client/login/login.js'
import { Refused } from '../../../client/login/token-endpoint.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { showPage } from '../../support/login.js'
import { bodyOf, json, type SmallServer, smallServer } from './small-server.js'

/** Stands for a Coffer server that a test may make say anything. */
describe('a login in the browser (RFC 8252)', () => {
  let server: SmallServer
  let send: Send
  let redeemed: URLSearchParams[]
  let metadata: Record<string, unknown>
  let resource: Record<string, unknown>
  let challenge: string
  let filesStatus: number

  beforeEach(async () => {
    redeemed = []
    filesStatus = 401
    server = await smallServer(async (request, response) => {
      switch (request.url) {
        case '/files':
          return json(response, filesStatus, {}, { 'WWW-Authenticate': challenge })
        case '/.well-known/oauth-protected-resource/files':
          return json(response, 200, resource)
        case '/.well-known/oauth-authorization-server':
          return json(response, 200, metadata)
        case '/token':
          redeemed.push(new URLSearchParams(await bodyOf(request)))
          return json(response, 200, {
            access_token: 'access',
            refresh_token: 'refresh',
            token_type: 'Bearer',
            expires_in: 900,
          })
        default:
          return json(response, 404, {})
      }
    })
    const { origin } = server.url
    challenge = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/files"`
    resource = { resource: `${origin}/files`, authorization_servers: [origin] }
    metadata = {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    }
    send = httpClient({ trust: { kind: 'authority', pem: server.authority.certificate } }).send
  })
  afterEach(() => server.close())

  const found = (): Promise<Authority> => discover(server.url, send)
  const failure = async (work: Promise<unknown>): Promise<Error> => {
    try {
      await work
    } catch (error) {
      if (error instanceof Error) return error
    }
    throw new Error('it did not fail')
  }

  /** Logs in; `visit` does what the browser does with the printed address. */
  async function login(visit: (url: URL) => unknown, signal = new AbortController().signal) {
    const authority = await found()
    return loginByCode({
      authority,
      scope: 'file.read',
      send,
      clock: () => 0,
      signal,
      show: (url) => {
        Promise.resolve(visit(new URL(url))).catch(() => {})
      },
    })
  }
  const back = async (url: URL, parameters: Record<string, string>): Promise<Response> => {
    const target = new URL(url.searchParams.get('redirect_uri') ?? '')
    target.search = new URLSearchParams(parameters).toString()
    const page = await fetch(target)
    await showPage(target)
    return page
  }
  const good = (url: URL): Record<string, string> => ({
    code: 'the-code',
    state: url.searchParams.get('state') ?? '',
    iss: server.url.origin,
  })

  it('finds everything from nothing but the URL (RFC 9728, RFC 8414)', async () => {
    expect(await found()).to.include({
      resource: `${server.url.origin}/files`,
      issuer: server.url.origin,
      sendsIssuer: true,
    })
  })

  it('redeems the code with the verifier of the challenge, the same redirect URI and the resource', async () => {
    let asked: URL | undefined
    const tokens = await login((url) => {
      asked = url
      return back(url, good(url))
    })
    expect(tokens).to.include({
      access_token: 'access',
      refresh_token: 'refresh',
      expiresAt: 900e3,
    })
    const sent = redeemed[0] ?? new URLSearchParams()
    expect(asked?.searchParams.get('code_challenge_method')).to.equal('S256')
    expect(
      createHash('sha256')
        .update(sent.get('code_verifier') ?? '')
        .digest('base64url'),
    ).to.equal(asked?.searchParams.get('code_challenge'))
    expect(sent.get('redirect_uri')).to.equal(asked?.searchParams.get('redirect_uri'))
    expect(sent.get('redirect_uri')).to.match(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
    expect(sent.get('resource')).to.equal(`${server.url.origin}/files`)
    expect(sent.get('client_id')).to.equal('coffer')
  })

  it('ends before anybody is asked where the server cannot bind it to a key, and it must be', async () => {
    const config = await temporaryDirectory('unbound')
    const ca = join(config, 'ca.pem')
    await writeFile(ca, server.authority.certificate)
    const said: string[] = []
    const error = await failure(
      wholeLogin({
        server: server.url,
        directory: new AccountDirectory(config, server.url),
        wishes: { ca, localAuthorities: [] },
        tokenStore: 'file',
        readOnly: false,
        way: 'browser',
        deviceName: 'unbound',
        binding: 'required',
        clock: () => 0,
        signal: new AbortController().signal,
        terminal: {
          say: (text) => said.push(text),
          print: (text) => said.push(text),
          openBrowser: () => {},
        },
      }),
    )
    await removeDirectory(config)
    expect(error).to.be.an.instanceOf(CommandError)
    expect(error.message).to.contain('cannot bind logins to a key')
    expect(said).to.deep.equal([])
  })

  it('shows the outcome in the browser and closes the port (RFC 8252 section 8.3)', async () => {
    let page: Promise<Response> | undefined
    let port = 0
    await login((url) => {
      port = Number(new URL(url.searchParams.get('redirect_uri') ?? '').port)
      page = back(url, good(url))
    })
    const shown = await page
    expect(shown?.status).to.equal(200)
    expect(await shown?.text()).to.include('You are logged in')
    expect(shown?.headers.get('content-security-policy')).to.include("default-src 'none'")
    const refused = await new Promise((resolve) => {
      connect(port, '127.0.0.1')
        .once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
        .once('connect', () => resolve('open'))
    })
    expect(refused).to.equal('ECONNREFUSED')
  })

  it('turns away an answer with another state and goes on waiting (RFC 8252 section 8.10)', async () => {
    let status = 0
    const tokens = await login(async (url) => {
      status = (await back(url, { ...good(url), state: 'forged' })).status
      await back(url, good(url))
    })
    expect(status).to.equal(400)
    expect(tokens.access_token).to.equal('access')
    expect(redeemed).to.have.length(1)
  })

  const forged: [what: string, change: Record<string, string | undefined>][] = [
    ['another issuer', { iss: 'https://evil.example' }],
    ['no issuer although the server promises one', { iss: undefined }],
  ]
  for (const [what, change] of forged) {
    it(`refuses an answer with ${what} and sends the code nowhere (RFC 9207 section 2.4)`, async () => {
      const error = await failure(
        login((url) => {
          const parameters = Object.entries({ ...good(url), ...change })
          return back(
            url,
            Object.fromEntries(parameters.filter(([, value]) => value)) as Record<string, string>,
          )
        }),
      )
      expect(error).to.be.instanceOf(CommandError)
      expect(redeemed).to.have.length(0)
    })
  }

  it('says that the user said no', async () => {
    const error = await failure(
      login((url) => back(url, { ...good(url), code: '', error: 'access_denied' })),
    )
    expect(error.message).to.include('You said no')
  })

  it('passes on what the server says is wrong', async () => {
    const error = await failure(
      login((url) => back(url, { ...good(url), error: 'invalid_scope', error_description: 'no' })),
    )
    expect(error).to.be.instanceOf(Refused).with.property('message', 'invalid_scope: no')
  })

  it('ends at once when the user gives up, and closes the port', async () => {
    const given = new AbortController()
    const error = await failure(login(() => given.abort(new Error('given up')), given.signal))
    expect(error.message).to.equal('given up')
  })

  it('does not listen where others can reach it', async () => {
    let host = ''
    await login((url) => {
      host = new URL(url.searchParams.get('redirect_uri') ?? '').hostname
      return back(url, good(url))
    })
    expect(host).to.equal('127.0.0.1')
  })

  describe('with a server that is wrong', () => {
    const cases: [what: string, spoil: () => void, said: RegExp][] = [
      [
        'is no Coffer server',
        () => {
          filesStatus = 200
          challenge = ''
        },
        /not a Coffer server/,
      ],
      [
        'points to metadata elsewhere',
        () => {
          challenge = 'Bearer resource_metadata="https://evil.example/x"'
        },
        /goes by the name https:\/\/evil\.example/,
      ],
      [
        'is the resource of another name (RFC 9728 section 3.3)',
        () => {
          resource.resource = 'https://other.example/files'
        },
        /goes by the name https:\/\/other\.example\. Use that address/,
      ],
      [
        'names a resource that only contains the one asked for (RFC 9728 section 3.3)',
        () => {
          resource.resource = server.url.origin
        },
        /Use that address/,
      ],
      [
        'has another issuer than its metadata (RFC 8414 section 3.3)',
        () => {
          metadata.issuer = 'https://evil.example'
        },
        /calls itself https:\/\/evil\.example/,
      ],
      [
        'has no PKCE',
        () => {
          metadata.code_challenge_methods_supported = ['plain']
        },
        /does not support PKCE/,
      ],
      [
        'has an endpoint without TLS',
        () => {
          metadata.token_endpoint = 'http://localhost/token'
        },
        /not a Coffer server/,
      ],
      ...[
        'authorization_endpoint',
        'token_endpoint',
        'revocation_endpoint',
        'device_authorization_endpoint',
      ].map((name): [string, () => void, RegExp] => [
        `has the ${name} of another (RFC 9700 section 4.4)`,
        () => {
          metadata[name] = 'https://other.example/endpoint'
        },
        /sends logins to another one, https:\/\/other\.example/,
      ]),
      [
        'has an endpoint in characters that are for terminals',
        () => {
          metadata.authorization_endpoint = `${server.url.origin}/\x1b[2J`
        },
        /not a Coffer server/,
      ],
    ]
    for (const [what, spoil, said] of cases) {
      it(`refuses one that ${what}`, async () => {
        spoil()
        const error = await failure(found())
        expect(error).to.be.instanceOf(CommandError)
        expect(error.message).to.match(said)
      })
    }
  })
})
