import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { startServer } from '../support/server.js'
import { expectError } from './support/expect.js'
import { json } from './support/http.js'
import { Prover } from './support/proof.js'
import { refusalOf } from './support/registration.js'
import { row } from './support/row.js'
import { LIMITS } from './support/target.js'
import { success, unique } from './support/values.js'

const client_credentials = { grant_type: 'client_credentials' }

describe('RFC 9700: clients and refresh tokens', () => {
  row(
    'rfc9700-2.6-3',
    'S',
    'draws client identifiers that no user has, and takes none that one has',
    async (suite) => {
      const sub = suite.inside.userId(suite.target.users[0].username)
      expect(await refusalOf(suite, {}, sub)).to.be.a('string')
      expect(await refusalOf(suite, { client_id: sub })).to.equal(undefined)
    },
    { inside: true },
  )

  row('rfc9700-2.2.2-1', 'M', 'rotates the refresh tokens of public clients', async (suite) => {
    const { refresh_token } = await suite.tokens()
    expect(success(await suite.refresh(refresh_token)).refresh_token).to.not.equal(refresh_token)
  })

  row(
    'rfc9700-4.14.2-1',
    'M',
    'ends the family when a refresh token is used again',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const next = success(await suite.refresh(refresh_token))
      suite.inside.passTime(60)
      const audited = suite.inside.audited('refresh.reuse').length
      const reused = await suite.refresh(refresh_token)
      expectError(reused, 400, 'invalid_grant')
      expect(json(reused).error_description).to.match(/used again .* revoked/)
      expectError(await suite.refresh(next.refresh_token), 400, 'invalid_grant')
      expect((await suite.read(next.access_token)).status).to.equal(401)
      const events = suite.inside.audited('refresh.reuse').slice(audited)
      expect(events).to.have.length(1)
      expect(events[0]).to.include({
        outcome: 'failure',
        client_id: suite.client('fuse').client_id,
      })
    },
    { inside: true },
  )

  row(
    'rfc9700-4.14.2-2',
    'B',
    'gives an honest retry the same successor, and strangers nothing',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const { refresh_token: next } = success(await suite.refresh(refresh_token))
      const { client_id } = suite.client('several')
      expectError(await suite.refresh(refresh_token, { client_id }), 400, 'invalid_grant')
      const thief = await Prover.create()
      const form = {
        grant_type: 'refresh_token',
        client_id: suite.client('fuse').client_id,
        refresh_token,
      }
      expectError(await thief.token(suite, form), 400, 'invalid_grant')
      expect(success(await suite.refresh(refresh_token)).refresh_token).to.equal(next)
      success(await suite.refresh(next))
    },
    { clients: ['fuse', 'several'] },
  )

  row(
    'rfc9700-4.14.2-3',
    'B',
    'has one successor when 100 requests race, and the session lives on',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => suite.refresh(refresh_token)),
      )
      const successors = new Set(answers.map((answer) => success(answer).refresh_token))
      expect(successors.size).to.equal(1)
      success(await suite.refresh([...successors][0] ?? ''))
    },
  )

  row(
    'rfc9700-4.14.2-4',
    'B',
    'remembers what was rotated when the server is killed',
    async (suite) => {
      const { refresh_token } = await suite.tokens()
      const next = success(await suite.refresh(refresh_token))
      const { inside } = suite
      await inside.server.stop('SIGKILL')
      inside.passTime(60)
      await inside.server.restart()
      expectError(await suite.refresh(refresh_token), 400, 'invalid_grant')
      expectError(await suite.refresh(next.refresh_token), 400, 'invalid_grant')

      // A clock that was set back makes no token young again.
      const later = await suite.tokens()
      const successor = success(await suite.refresh(later.refresh_token))
      inside.passTime(-3600)
      expectError(await suite.refresh(later.refresh_token), 400, 'invalid_grant')
      expectError(await suite.refresh(successor.refresh_token), 400, 'invalid_grant')
      inside.passTime(3600)
    },
    { inside: true },
  )

  row(
    'rfc9700-4.14.2-4',
    'B',
    'revives nothing when a backup is restored',
    async (suite) => {
      const { inside } = suite
      const { server } = inside
      const first = await suite.tokens()
      const kept = await suite.tokens()
      const directory = await temporaryDirectory('restored')
      const [copy, data] = [join(directory, 'backup'), join(directory, 'data')]
      const backup = await inside.command(['backup', copy])
      expect(backup.status, backup.stderr).to.equal(0)
      // After the backup: one token is rotated, the family of the other revoked.
      const next = success(await suite.refresh(first.refresh_token))
      await suite.revoke(kept.refresh_token)
      const restore = await inside.command(['restore', copy], data)
      expect(restore.status, restore.stderr).to.equal(0)

      await server.stop()
      const { port } = new URL(server.issuer)
      const env = { ...LIMITS, COFFER_PORT: port, COFFER_ISSUER: server.issuer }
      const restored = await startServer({ data, env })
      try {
        for (const { refresh_token, access_token } of [first, next, kept]) {
          expectError(await suite.refresh(refresh_token), 400, 'invalid_grant')
          expect((await suite.read(access_token)).status).to.equal(401)
        }
      } finally {
        await restored.remove()
        await server.restart()
        await removeDirectory(directory)
      }
      success(await suite.refresh(next.refresh_token))
    },
    { inside: true, timeout: 120_000 },
  )

  row(
    'rfc9700-4.14.2-6',
    'S',
    'lets idle refresh tokens expire, and ends them with the password',
    async (suite) => {
      const { inside } = suite
      const [, second] = suite.target.users
      const browser = await suite.login(second)
      const changed = await suite.tokens({}, browser)
      await inside.changePassword(second.username, second.password)
      expectError(await suite.refresh(changed.refresh_token), 400, 'invalid_grant')
      expect((await suite.read(changed.access_token)).status).to.equal(401)
      const idle = await suite.tokens({}, await suite.login(second))
      inside.passTime(30 * 86_400 + 1)
      expectError(await suite.refresh(idle.refresh_token), 400, 'invalid_grant')
    },
    { inside: true },
  )

  row(
    'rfc9700-2.5-1',
    'S',
    'authenticates clients by their key, and checks the assertion',
    async (suite) => {
      const ask = async (changes: object, kid?: string) =>
        suite.token({
          ...client_credentials,
          ...(await suite.assertion('keyed', changes as never, kid)),
        })
      expect((await ask({})).status).to.equal(200)
      // NumericDate may have a fraction (RFC 7519 section 2).
      const fine = Date.now() / 1000 + 60.000_123
      expect((await ask({ exp: fine })).status).to.equal(200)
      const { issuer } = suite.target
      const now = Math.floor(Date.now() / 1000)
      const { client_id } = suite.client('web')
      for (const changes of [
        { aud: `${issuer}/token` },
        { aud: [issuer] },
        { aud: `${issuer}/` },
        { aud: undefined },
        { exp: now + 3600 },
        { exp: now - 60 },
        { exp: undefined },
        { iss: client_id },
        { jti: undefined },
        { nbf: now + 300 },
      ]) {
        expectError(await ask(changes), 401, 'invalid_client')
      }
      expectError(await ask({}, 'other'), 401, 'invalid_client')
      const once = await suite.assertion('keyed', { jti: unique() })
      expect((await suite.token({ ...client_credentials, ...once })).status).to.equal(200)
      expectError(await suite.token({ ...client_credentials, ...once }), 401, 'invalid_client')
    },
    { clients: ['keyed', 'web'] },
  )
})
