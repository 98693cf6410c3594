import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { CommandError } from '../../../client/command-error.js'
import { httpClient } from '../../../client/http/api.js'
import { type DeviceLogin, loginByDevice } from '../../../client/login/device-grant.js'
import { Refused } from '../../../client/login/token-endpoint.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { form, Visitor } from '../../support/login.js'
import { start } from '../../support/process.js'
import { program } from '../../support/program.js'
import { startServer } from '../../support/server.js'
import { bodyOf, json, type SmallServer, smallServer } from './small-server.js'

describe('a login by code on another device (RFC 8628)', () => {
  let server: SmallServer
  let answers: (string | 'tokens')[]
  let device: Record<string, unknown>
  let waits: number[]
  let polls: URLSearchParams[]

  beforeEach(async () => {
    waits = []
    polls = []
    answers = []
    device = {}
    server = await smallServer(async (request, response) => {
      const fields = new URLSearchParams(await bodyOf(request))
      if (request.url === '/device') {
        return json(response, 200, {
          device_code: 'the-device-code',
          user_code: 'WDJB-MJHT',
          verification_uri: `${server.url.origin}/connect`,
          expires_in: 60,
          ...device,
        })
      }
      polls.push(fields)
      const answer = answers.shift() ?? 'authorization_pending'
      if (answer === 'cut') return request.socket.destroy()
      if (answer !== 'tokens') return json(response, 400, { error: answer })
      return json(response, 200, { access_token: 'a', token_type: 'Bearer', expires_in: 900 })
    })
  })
  afterEach(() => server.close())

  let time = 0
  const login = (): DeviceLogin => ({
    authority: {
      resource: `${server.url.origin}/files`,
      issuer: server.url.origin,
      authorization_endpoint: '',
      token_endpoint: `${server.url.origin}/token`,
      device_authorization_endpoint: `${server.url.origin}/device`,
      sendsIssuer: true,
      dpopAlgorithms: [],
    },
    scope: 'file.read',
    send: httpClient({ trust: { kind: 'authority', pem: server.authority.certificate } }).send,
    clock: () => time,
    show: () => {},
    signal: new AbortController().signal,
    pause: async (milliseconds) => {
      waits.push(milliseconds)
      time += milliseconds
    },
  })
  const failure = async (): Promise<string> => {
    try {
      await loginByDevice(login())
    } catch (error) {
      expect(error).to.be.instanceOf(CommandError)
      return String(error)
    }
    throw new Error('it did not fail')
  }

  it('asks every five seconds until the user has confirmed (sections 3.2, 3.4)', async () => {
    answers = ['authorization_pending', 'authorization_pending', 'tokens']
    expect((await loginByDevice(login())).access_token).to.equal('a')
    expect(waits).to.deep.equal([5_000, 5_000, 5_000])
    expect(Object.fromEntries(polls[0] ?? [])).to.include({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: 'the-device-code',
      client_id: 'coffer',
    })
  })

  for (const slow of ['slow_down', 'cut']) {
    it(`asks five seconds less often after ${slow}, and keeps to it (section 3.5)`, async () => {
      answers = [slow, 'authorization_pending', 'tokens']
      await loginByDevice(login())
      expect(waits).to.deep.equal([5_000, 10_000, 10_000])
    })
  }

  it('stops when the user refuses, and when the code has expired', async () => {
    answers = ['access_denied']
    expect(await failure()).to.include('refused on the other device')
    answers = ['expired_token']
    expect(await failure()).to.include('in time')
    answers = ['invalid_grant']
    expect(await failure()).to.include('Run the command again')
  })

  const senseless: [what: string, answer: Record<string, unknown>][] = [
    ['interval that no timer can keep', { interval: 3e6 }],
    ['interval without a pause', { interval: 1e-6 }],
    ['code that is for the terminal', { user_code: '\x1b]0;owned\x07' }],
    ['address that is for the terminal', { verification_uri: 'https://localhost/\x1b[2J' }],
    ['address without TLS', { verification_uri: 'http://localhost/connect' }],
  ]
  for (const [what, answer] of senseless) {
    it(`takes no ${what}`, async () => {
      device = answer
      const error: unknown = await loginByDevice(login()).catch((caught: unknown) => caught)
      expect(error).to.be.instanceOf(Refused)
      expect(polls).to.have.length(0)
    })
  }

  it('stops by itself when the code has expired', async () => {
    expect(await failure()).to.include('in time')
    expect(polls).to.have.length(12)
  })
})

describe('coffer login --device', () => {
  it('logs in at a real server', async function () {
    this.timeout(60_000)
    const server = await startServer()
    const home = await temporaryDirectory('device')
    try {
      await mkdir(join(home, 'config'))
      const running = start(process.execPath, [...program('client'), 'login', '--device'], {
        env: {
          HOME: home,
          COFFER_SERVER: server.issuer,
          COFFER_CA: server.caFile,
          COFFER_CONFIG_DIR: join(home, 'config'),
          COFFER_TOKEN_STORE: 'file',
        },
      })
      const [, user_code = ''] = await running.printed(/^([A-Z0-9]{4}-[A-Z0-9]{4})$/m)
      const [complete = ''] = await running.printed(/^https:\S+user_code=\S+$/m)
      expect(complete).to.include(user_code)

      const visitor = new Visitor(server.ca)
      const none = 'https://none.invalid'
      const first = await visitor.follow(await visitor.get(complete), none)
      if (first instanceof URL) throw new Error('no login page')
      const credentials = form(first, '/login')
      credentials.fields.set('username', server.username)
      credentials.fields.set('password', server.password)
      let page = await visitor.follow(
        await visitor.post(credentials.action, credentials.fields),
        none,
      )
      expect(page instanceof URL ? '' : page.body).to.include('Is this the code')
      for (let step = 0; step < 3 && !(page instanceof URL); step++) {
        if (!/<form/.test(page.body)) break
        const asked = form(page)
        if (/name="decision"/.test(page.body)) asked.fields.set('decision', 'allow')
        page = await visitor.follow(await visitor.post(asked.action, asked.fields), none)
        if (asked.fields.has('decision')) break
      }
      await running.ended
      expect(running.child.exitCode, running.log()).to.equal(0)
      expect(running.log()).to.include('Logged in to')
    } finally {
      await server.remove()
      await removeDirectory(home)
    }
  })
})
