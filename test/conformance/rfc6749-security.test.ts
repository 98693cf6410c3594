import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { run } from '../support/process.js'
import { DEVICE_GRANT } from './support/clients.js'
import { expectError, expectPage } from './support/expect.js'
import { type Form, formsOf, type Http, json } from './support/http.js'
import { row } from './support/row.js'
import { success } from './support/values.js'

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

describe('RFC 6749: security considerations', () => {
  row(
    'rfc6749-10.3-1',
    'M',
    'stores no code, token or secret in the clear',
    async (suite) => {
      const code = await suite.code()
      const tokens = success(await suite.redeem(code))
      const next = success(await suite.refresh(tokens.refresh_token))
      const { client_secret = '' } = suite.client('web')
      const { client_id } = suite.client('fuse')
      const device = json(
        await suite.http.post(await suite.endpoint('device_authorization'), {
          client_id,
          scope: 'file.read',
        }),
      )
      const pushed = json(
        await suite.http.post(
          await suite.endpoint('pushed_authorization_request'),
          suite.baseline(),
        ),
      )
      const browser = await suite.signedIn()
      const secrets = [
        code,
        String(device.device_code),
        String(device.user_code),
        String(pushed.request_uri),
        ...browser.cookies.values(),
        suite.target.users[0].password,
        tokens.refresh_token,
        tokens.access_token,
        next.refresh_token,
        client_secret,
      ]
      const { server, command } = suite.inside
      const directory = await temporaryDirectory('backup')
      const backup = await command(['backup', join(directory, 'backup')])
      expect(backup.status, backup.stderr).to.equal(0)
      // Whoever closes a file of SQLite's gives up all locks of its process on it; so a copy is read, made by another.
      await run('cp', ['-r', server.data, join(directory, 'data')])
      const files = await filesBelow(directory)
      expect(files.filter((file) => file.endsWith('coffer.db'))).to.have.length(2)
      for (const file of files) {
        const content = await readFile(file)
        for (const secret of secrets) expect(content.includes(secret), file).to.equal(false)
      }
      await removeDirectory(directory)
      for (const secret of secrets) expect(server.log().includes(secret), 'log').to.equal(false)
    },
    { inside: true, clients: ['fuse', 'web'] },
  )

  row('rfc6749-10.10-1', 'M', 'issues secrets that nobody guesses', async (suite) => {
    const url = await suite.endpoint('device_authorization')
    const { client_id } = suite.client('fuse')
    const secrets: string[] = []
    for (let n = 0; n < 200; n++) {
      const answer = await suite.http.post(url, { client_id, scope: 'file.read' })
      secrets.push(String(JSON.parse(answer.body).device_code))
    }
    let { refresh_token } = await suite.tokens()
    for (let n = 0; n < 100; n++) {
      refresh_token = success(await suite.refresh(refresh_token)).refresh_token
      secrets.push(refresh_token)
    }
    expect(new Set(secrets).size).to.equal(secrets.length)
    // What stands before the last dot may say when it was issued, or of what kind it is.
    const parts = secrets.map((secret) => secret.slice(secret.lastIndexOf('.') + 1))
    expect(new Set(parts).size).to.equal(parts.length)
    for (const part of parts) expect(part).to.match(/^[A-Za-z0-9_-]{27,}$/)
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part, 'base64url')))
    const ones = bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
    // Six standard deviations around one half.
    const bits = bytes.length * 8
    expect(Math.abs(ones - bits / 2)).to.be.below(3 * Math.sqrt(bits))
  })

  row(
    'rfc6749-10.12-1',
    'M',
    'takes login, consent, logout and device forms from its own pages only',
    async (suite) => {
      const browser = await suite.login()
      const { issuer } = suite.target
      const { client_id } = suite.client('fuse')
      const device = json(
        await suite.http.post(await suite.endpoint('device_authorization'), {
          client_id,
          scope: 'file.read',
        }),
      )
      const tokenOf = ({ fields }: Form) =>
        [...fields.keys()].find((name) => /csrf/i.test(name)) ?? ''
      const filled = (form: Form | undefined, values: Record<string, string>): Form => {
        if (form === undefined) throw new Error('no form')
        for (const [name, value] of Object.entries(values)) form.fields.set(name, value)
        return form
      }
      const [user] = suite.target.users
      const visitor = suite.newBrowser()
      const forms = async (): Promise<[Http, Form][]> => {
        const login = formsOf(await visitor.follow(await suite.authorize(visitor)))[0]
        const entry = filled(formsOf(await browser.get(`${issuer}/device`))[0], {
          user_code: String(device.user_code),
        })
        const consent = suite.consentForm(await browser.submit(entry))
        const logout = formsOf(await browser.get(await suite.endpoint('end_session')))
        return [
          [visitor, filled(login, { username: user.username, password: user.password })],
          [browser, suite.consentForm(await suite.asked({}, browser))],
          [browser, entry],
          [browser, consent],
          [browser, filled(logout[0], {})],
        ]
      }
      for (const [who, form] of await forms()) {
        const { action } = form
        if (!action.pathname.endsWith('/login')) form.fields.set('decision', 'allow')
        const own = action.origin
        const name = tokenOf(form)
        const without = new URLSearchParams([...form.fields].filter(([each]) => each !== name))
        const foreign = new URLSearchParams([...without, [name, 'x'.repeat(43)]])
        const right = form.fields.toString()
        for (const [body, headers] of [
          [without.toString(), { origin: own }],
          [foreign.toString(), { origin: own }],
          [right, { origin: 'https://evil.test' }],
          [right, { origin: 'null' }],
          [right, { origin: own, 'sec-fetch-site': 'cross-site' }],
        ] as const) {
          const answer = await who.post(action, body, headers)
          expect(answer.status, `${action.pathname} ${JSON.stringify(headers)}`).to.equal(403)
          expect(answer.headers.location, action.pathname).to.equal(undefined)
        }
      }
      // Nothing came of any of it.
      expect(
        formsOf(await visitor.follow(await suite.authorize(visitor)))[0]?.hasPassword,
      ).to.equal(true)
      const poll = { grant_type: DEVICE_GRANT, client_id, device_code: String(device.device_code) }
      expectError(await suite.token(poll), 400, 'authorization_pending')
      const form = suite.consentForm(await suite.asked({}, browser))
      form.fields.set('decision', 'allow')
      const tokenField = tokenOf(form)
      const other = await suite.login()
      const theirs = suite.consentForm(await suite.asked({}, other))
      const stolen = new URLSearchParams(form.fields)
      stolen.set(tokenField, theirs.fields.get(tokenField) ?? '')
      const answer = await other.submit({ ...form, fields: stolen })
      expect(answer.status, 'the page of another session').to.equal(403)
      expect((await browser.submit(form)).status).to.equal(303)
    },
  )

  row(
    'rfc6749-10.12-2',
    'B',
    'gives a new session id at login; the old cookie is worth nothing',
    async (suite) => {
      const browser = suite.newBrowser()
      const page = await browser.follow(await suite.authorize(browser))
      const before = new Map(browser.cookies)
      await browser.follow(await suite.submitLogin(browser, page))
      expect([...browser.cookies]).to.not.deep.equal([...before])
      const planted = suite.newBrowser()
      for (const [name, value] of before) planted.cookies.set(name, value)
      const again = await planted.follow(await suite.authorize(planted))
      expect(formsOf(again).some(({ hasPassword }) => hasPassword)).to.equal(true)
    },
  )

  row('rfc6749-10.13-1', 'M', 'lets no page be framed', async (suite) => {
    const browser = await suite.signedIn()
    const pages = [
      await suite.http.follow(await suite.authorize(suite.http)),
      await suite.asked({}, browser),
      await suite.asked({ client_id: 'nope' }, browser),
      await browser.get(`${suite.target.issuer}/device`),
      await browser.get(`${suite.target.issuer}/nothing-here`, { accept: 'text/html' }),
      await browser.get(await suite.endpoint('end_session')),
      await browser.get(`${suite.target.issuer}/account`),
      await browser.post(`${suite.target.issuer}/device/decision`, {}),
      await suite.newBrowser().post(`${suite.target.issuer}/login`, {}),
      await browser.get(`${suite.target.issuer}/authorize/continue?request=x`),
    ]
    for (const { headers, url } of pages) {
      expect(headers['content-type'], url.pathname).to.match(/^text\/html/)
      expect(headers['content-security-policy'], url.pathname).to.include("frame-ancestors 'none'")
      expect(headers['x-frame-options'], url.pathname).to.equal('DENY')
    }
  })

  row(
    'rfc6749-4.1.2-5',
    'B',
    'redeems a code once even when the server is killed in between',
    async (suite) => {
      const code = await suite.code()
      const tokens = success(await suite.redeem(code))
      await suite.inside.server.stop('SIGKILL')
      await suite.inside.server.restart()
      expectError(await suite.redeem(code), 400, 'invalid_grant')
      expectError(await suite.refresh(tokens.refresh_token), 400, 'invalid_grant')
    },
    { inside: true },
  )

  row(
    'rfc6749-b-1',
    'B',
    'answers thousands of malformed requests without a 5xx',
    async (suite) => {
      const junk = [
        '',
        '%',
        '%00',
        '\u0000',
        'a'.repeat(3000),
        '..',
        '[]',
        '{}',
        'é',
        '"',
        "'; --",
        'a.b.c',
        '%f0%9f%98%80',
      ]
      const names = [
        'client_id',
        'code',
        'grant_type',
        'refresh_token',
        'token',
        'scope',
        'request_uri',
        'client_assertion',
        'code_verifier',
        'redirect_uri',
        'resource',
        'device_code',
      ]
      const urls = await Promise.all(
        [
          'token',
          'revocation',
          'introspection',
          'pushed_authorization_request',
          'device_authorization',
          'authorization',
        ].map((name) => suite.endpoint(name)),
      )
      for (let n = 0; n < 1200; n++) {
        const url = urls[n % urls.length] ?? ''
        const pairs = Array.from(
          { length: 1 + (n % 7) },
          (_, k) => `${names[(n * 5 + k) % names.length]}=${junk[(n * 3 + k * 11) % junk.length]}`,
        )
        const headers = {
          ...(n % 3 === 0 && {
            authorization: `Basic ${junk[n % junk.length]?.replace(/[^\x20-\x7e]/g, '') ?? ''}`,
          }),
          ...(n % 5 === 0 && { dpop: 'a.b.c' }),
        }
        const answer =
          n % 2 === 0
            ? await suite.http.post(url, pairs.join('&'), headers)
            : await suite.http.get(`${url}?${encodeURI(pairs.join('&')).replaceAll('\u0000', '')}`)
        expect(answer.status, `${url} ${pairs.join('&').slice(0, 200)}`).to.be.below(500)
      }
      expectPage(await suite.asked({ client_id: 'nope' }))
    },
    { timeout: 120_000 },
  )
})
