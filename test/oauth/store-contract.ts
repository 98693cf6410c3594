import { expect } from 'chai'
import type { Client, Digest, Grant, Rotation, RotationOutcome, Store } from '../../oauth/index.js'
import { digestOf, randomSecret } from '../../oauth/secrets.js'
import {
  client,
  device,
  MINUTE,
  NOW,
  newGrant,
  newToken,
  redemption,
  rotation,
} from './store-records.js'

/** Every Store must pass this. `open` returns a fresh, empty one. */
export function behavesLikeStore(name: string, open: () => Store): void {
  describe(`${name} is a Store`, () => {
    let store: Store
    beforeEach(() => {
      store = open()
    })

    async function issue(grant = newGrant()) {
      const code = {
        codeDigest: digestOf(randomSecret()),
        grantId: grant.grantId,
        client_id: 'c',
        redirect_uri: 'http://127.0.0.1:1/cb',
        redirect_uri_sent: true,
        code_challenge: 'x'.repeat(43),
        expiresAt: NOW + MINUTE,
      }
      expect(await store.issueCode(grant, code, undefined)).to.equal('issued')
      return { grant, code, digest: code.codeDigest }
    }

    async function firstToken() {
      const { grant, digest } = await issue()
      const redeemed = redemption()
      await store.redeemCode(digest, redeemed)
      return { grant, token: redeemed.refreshToken?.tokenDigest ?? digest }
    }

    /** As the token endpoint does it: what is read first never changes. */
    async function rotate(digest: Digest, plan: Rotation): Promise<RotationOutcome> {
      const found = await store.refreshToken(digest)
      return found === undefined ? { kind: 'dead' } : store.rotate(found.token, plan)
    }

    const isLive = async ({ grantId }: Grant, at = NOW) =>
      (await store.standing('jti', grantId, at)).kind === 'live'

    it('keeps clients as they were saved', async () => {
      await store.saveClient(client)
      await store.saveClient({ ...client, client_name: 'Renamed' })
      expect(await store.client('c')).to.deep.equal({ ...client, client_name: 'Renamed' })
      expect(await store.clients()).to.have.length(1)
      expect(await store.client('other')).to.equal(undefined)
    })

    it('revokes the grants of a client that is removed', async () => {
      await store.saveClient(client)
      const { grant } = await issue()
      expect(await store.removeClient('c', NOW)).to.equal(true)
      expect(await store.removeClient('c', NOW)).to.equal(false)
      expect(await isLive(grant)).to.equal(false)
    })

    it('removes clients that registered themselves and were never used, and their grants', async () => {
      const registered = { ...client, registration_digest: digestOf('x') }
      const { grant } = await issue()
      await store.saveClient(registered)
      await store.saveClient({ ...registered, client_id: 'used' })
      await store.saveClient({ ...client, client_id: 'added' })
      await store.noteClientUse('used', NOW)
      await store.noteClientUse('used', NOW + 1)
      expect((await store.client('used'))?.usedAt).to.equal(NOW)
      expect(await store.removeUnusedClients(NOW, 10, NOW + MINUTE)).to.deep.equal([])
      // Its code can still be redeemed.
      expect(await store.removeUnusedClients(NOW + 1, 10, NOW + MINUTE - 1)).to.deep.equal([])
      expect(await isLive(grant)).to.equal(true)
      expect(await store.removeUnusedClients(NOW + 1, 10, NOW + MINUTE)).to.deep.equal(['c'])
      expect(await store.client('c')).to.equal(undefined)
      expect(await isLive(grant)).to.equal(false)
      expect((await store.clients()).map(({ client_id }) => client_id)).to.have.members([
        'added',
        'used',
      ])
    })

    it('replaces signing keys only when nobody else did', async () => {
      const key = {
        kid: 'k',
        alg: 'ES256',
        publicJwk: { kty: 'EC' },
        sealed: 's',
        createdAt: 1,
        activeAt: 2,
      } as const
      expect(await store.replaceSigningKeys([], [key])).to.equal(true)
      expect(await store.replaceSigningKeys([], [])).to.equal(false)
      expect(await store.signingKeys()).to.deep.equal([key])
      expect(await store.replaceSigningKeys(['k'], [])).to.equal(true)
    })

    it('gives a code back as it was issued', async () => {
      const { grant, code, digest } = await issue(newGrant({ nonce: 'n' }))
      expect(await store.authorizationCode(digest, NOW)).to.deep.equal({
        kind: 'issued',
        code,
        grant,
      })
      expect((await store.authorizationCode(digest, NOW + MINUTE)).kind).to.equal('unknown')
    })

    it('redeems a code once, and revokes its grant the second time', async () => {
      const { grant, digest } = await issue()
      const outcomes = await Promise.all(
        [1, 2, 3].map(() => store.redeemCode(digest, redemption())),
      )
      expect(outcomes.map(({ kind }) => kind).sort()).to.deep.equal([
        'redeemed',
        'replayed',
        'replayed',
      ])
      expect(await isLive(grant)).to.equal(false)
      expect((await store.authorizationCode(digest, NOW)).kind).to.equal('redeemed')
    })

    it('redeems no code of a revoked grant, and none that has expired', async () => {
      const revoked = await issue()
      await store.revokeGrant(revoked.grant.grantId, NOW)
      expect((await store.redeemCode(revoked.digest, redemption())).kind).to.equal('dead')
      const { digest } = await issue()
      expect((await store.redeemCode(digest, redemption(NOW + MINUTE))).kind).to.equal('dead')
      expect((await store.redeemCode(digestOf('unknown'), redemption())).kind).to.equal('dead')
    })

    it('spends a pushed request with the code, once', async () => {
      const uriDigest = digestOf('uri')
      const request = { uriDigest, client_id: 'c', parameters: '[]', expiresAt: NOW + MINUTE }
      await store.savePushedRequest(request)
      expect(await store.pushedRequest(uriDigest, NOW)).to.deep.equal(request)
      expect(await store.pushedRequest(uriDigest, NOW + MINUTE)).to.equal(undefined)
      const { code } = await issue()
      const again = (n: number) => {
        const grant = newGrant()
        return store.issueCode(
          grant,
          { ...code, grantId: grant.grantId, codeDigest: digestOf(`${n}`) },
          { uriDigest, until: NOW + 2 * MINUTE },
        )
      }
      expect(await Promise.all([again(1), again(2)])).to.deep.equal(['issued', 'spent'])
      expect((await store.authorizationCode(digestOf('2'), NOW)).kind).to.equal('unknown')
      expect(await store.pushedRequest(uriDigest, NOW)).to.equal(undefined)
    })

    it('rotates a refresh token, repeats within the grace, and ends the family after it', async () => {
      const { grant, token } = await firstToken()
      const first = rotation()
      expect((await rotate(token, first)).kind).to.equal('rotated')
      expect(await rotate(token, { ...first, at: NOW + 30_000 })).to.deep.equal({
        kind: 'repeated',
        spentAt: NOW,
      })
      expect((await rotate(token, { ...first, presentedKey: 'other' })).kind).to.equal('refused')
      expect(await isLive(grant)).to.equal(true)
      expect((await store.refreshToken(first.successor.tokenDigest))?.token.spentAt).to.equal(
        undefined,
      )
      expect((await rotate(token, { ...first, at: NOW + 30_001 })).kind).to.equal('reused')
      expect(await isLive(grant)).to.equal(false)
      expect((await rotate(first.successor.tokenDigest, rotation())).kind).to.equal('dead')
    })

    it('replaces a successor that nobody has used, for who proves the same key', async () => {
      const { grant, token } = await firstToken()
      const first = rotation({ presentedKey: 'key' })
      const successorAt = () => first.successor.tokenDigest
      const late = (changes: Partial<Rotation> = {}) =>
        rotation({ presentedKey: 'key', at: NOW + MINUTE, successorAt, ...changes })
      await rotate(token, first)
      const second = late()
      expect((await rotate(token, second)).kind).to.equal('replaced')
      const again = await rotate(token, late({ at: NOW + MINUTE + 30_000 }))
      expect(again).to.deep.equal({ kind: 'repeated', spentAt: NOW + MINUTE })
      expect((await rotate(second.successor.tokenDigest, late())).kind).to.equal('rotated')
      expect(await isLive(grant)).to.equal(true)
      expect((await rotate(first.successor.tokenDigest, late())).kind).to.equal('reused')
      expect(await isLive(grant)).to.equal(false)
    })

    it('replaces none that was used, and none without the key', async () => {
      for (const [key, presentedKey] of [
        [undefined, undefined],
        [undefined, 'key'],
        ['key', undefined],
        ['key', 'other'],
      ] as const) {
        const { grant, token } = await firstToken()
        const first = rotation({ presentedKey: key })
        const successorAt = () => first.successor.tokenDigest
        await rotate(token, first)
        const late = rotation({ presentedKey, at: NOW + MINUTE, successorAt })
        expect((await rotate(token, late)).kind).to.equal('reused')
        expect(await isLive(grant)).to.equal(false)
      }
      const { token } = await firstToken()
      const first = rotation({ presentedKey: 'key' })
      const successorAt = () => first.successor.tokenDigest
      await rotate(token, first)
      await rotate(first.successor.tokenDigest, rotation({ presentedKey: 'key' }))
      const late = rotation({ presentedKey: 'key', at: NOW + MINUTE, successorAt })
      expect((await rotate(token, late)).kind).to.equal('reused')
    })

    it('says whose a refresh token is without saying that it still counts', async () => {
      const { grant, token } = await firstToken()
      const plan = rotation()
      const read = await store.refreshable(token)
      expect(read?.token).to.deep.include({ grantId: grant.grantId, client_id: 'c' })
      await rotate(token, plan)
      const successor = await store.refreshable(plan.successor.tokenDigest)
      expect(successor?.grant).to.deep.include({ grantId: grant.grantId, scope: 'a b', sub: 'u' })
      await store.revokeGrant(grant.grantId, NOW)
      expect((await store.refreshToken(plan.successor.tokenDigest))?.grant.revokedAt).to.equal(NOW)
      for (const known of [read, successor]) {
        if (known === undefined) throw new Error('it was not found')
        expect((await store.rotate(known.token, rotation())).kind).to.equal('dead')
      }
      expect(await store.refreshable(digestOf('made up'))).to.equal(undefined)
    })

    it('keeps a grant for as long as a refresh token that was rotated again and again', async () => {
      const { grant, token } = await firstToken()
      let digest = token
      for (let n = 1; n <= 5; n++) {
        const at = NOW + n * 90 * MINUTE
        const successor = { ...newToken(), expiresAt: at + 100 * MINUTE }
        const known = await store.refreshable(digest)
        if (known === undefined) throw new Error(`rotation ${n}: it was not found`)
        expect((await store.rotate(known.token, rotation({ at, successor }))).kind).to.equal(
          'rotated',
        )
        digest = successor.tokenDigest
      }
      const last = NOW + 5 * 90 * MINUTE + 99 * MINUTE
      while ((await store.sweep(last, 100)) > 0) {
        // What has expired goes.
      }
      expect(await isLive(grant, last)).to.equal(true)
    })

    it('renews a refresh token that stays the same, while its grant lives', async () => {
      const { grant, token } = await firstToken()
      const renewal = { at: NOW, address: '127.0.0.2', endsAt: NOW + 200 * MINUTE }
      const outcome = await store.renew(token, renewal)
      expect(outcome).to.deep.equal({ kind: 'renewed' })
      expect((await store.grant(grant.grantId))?.lastUsedFrom).to.equal('127.0.0.2')
      expect((await store.refreshToken(token))?.token.expiresAt).to.equal(renewal.endsAt)
      await rotate(token, rotation())
      expect((await store.renew(token, renewal)).kind).to.equal('dead')
      const other = await firstToken()
      await store.revokeGrant(other.grant.grantId, NOW)
      expect((await store.renew(other.token, renewal)).kind).to.equal('dead')
    })

    it('takes a clock that was set back for no excuse', async () => {
      const { token } = await firstToken()
      await rotate(token, rotation())
      expect((await rotate(token, rotation({ at: NOW - MINUTE }))).kind).to.equal('reused')
    })

    it('repeats for a request that was overtaken by one with a later time', async () => {
      const { grant, token } = await firstToken()
      await rotate(token, rotation())
      expect(await rotate(token, rotation({ at: NOW - 1000 }))).to.deep.equal({
        kind: 'repeated',
        spentAt: NOW,
      })
      expect(await isLive(grant)).to.equal(true)
    })

    it('lists and revokes the grants of a user, and those of a session without offline_access', async () => {
      const online = (await issue()).grant
      const offline = (await issue(newGrant({ scope: 'a offline_access b' }))).grant
      const other = (await issue(newGrant({ sub: 'v', sid: 't' }))).grant
      expect((await store.grantsOf('u', NOW)).map(({ grantId }) => grantId)).to.have.members([
        online.grantId,
        offline.grantId,
      ])
      expect(await store.revokeGrantsOfSession('s', NOW)).to.equal(1)
      expect([await isLive(online), await isLive(offline)]).to.deep.equal([false, true])
      expect(await store.revokeGrantsOf('u', NOW)).to.equal(1)
      expect([await isLive(offline), await isLive(other)]).to.deep.equal([false, true])
      expect(await store.grantsOf('u', NOW)).to.deep.equal([])
      expect(await store.revokeGrant(online.grantId, NOW)).to.equal(false)
    })

    it('tells when and from where a grant was used last', async () => {
      const { grant } = await issue()
      store.noteUse(grant.grantId, NOW + MINUTE, '192.0.2.1')
      store.noteUse(grant.grantId, NOW + 2 * MINUTE, '192.0.2.2')
      const used = { ...grant, lastUsedAt: NOW + 2 * MINUTE, lastUsedFrom: '192.0.2.2' }
      expect(await store.grant(grant.grantId)).to.deep.equal(used)
      expect(await store.grantsOf('u', NOW)).to.deep.equal([used])
    })

    it('tells what an access token is worth', async () => {
      const { grant } = await issue()
      expect(await store.standing('j', grant.grantId, NOW)).to.deep.equal({ kind: 'live', grant })
      expect(await store.standing('j', undefined, NOW)).to.deep.equal({
        kind: 'live',
        grant: undefined,
      })
      expect((await store.standing('j', 'unknown', NOW)).kind).to.equal('revoked')
      await store.revokeAccessToken('j', NOW + MINUTE)
      await store.revokeAccessToken('j', NOW + MINUTE)
      expect((await store.standing('j', grant.grantId, NOW)).kind).to.equal('revoked')
      expect(await isLive(grant, grant.expiresAt)).to.equal(false)
    })

    it('remembers what a user allowed', async () => {
      expect(await store.consent('u', 'c')).to.equal(undefined)
      await store.saveClient(client)
      expect(await store.saveConsent('u', client, 'a')).to.equal(true)
      await store.noteClientUse('c', NOW)
      expect(await store.saveConsent('u', client, 'a b')).to.equal(true)
      expect(await store.consent('u', 'c')).to.equal('a b')
    })

    it('takes no consent to a client that has another name or address by now, or is gone', async () => {
      const { application_type } = client
      const changes: Partial<Client>[] = [
        { client_name: 'Renamed' },
        { redirect_uris: [...client.redirect_uris, 'https://elsewhere.test/cb'] },
        { application_type: application_type === 'web' ? 'native' : 'web' },
      ]
      for (const change of changes) {
        await store.saveClient({ ...client, ...change })
        expect(await store.saveConsent('u', client, 'a')).to.equal(false)
      }
      await store.removeClient('c', NOW)
      expect(await store.saveConsent('u', client, 'a')).to.equal(false)
      expect(await store.consent('u', 'c')).to.equal(undefined)
    })

    it('forgets what a user allowed one client, or all', async () => {
      for (const client_id of ['c', 'd', 'e']) {
        await store.saveClient({ ...client, client_id })
        await store.saveConsent('u', { ...client, client_id }, 'a')
      }
      await store.saveConsent('v', client, 'a')
      await store.removeConsents('u', 'c')
      expect(await store.consent('u', 'c')).to.equal(undefined)
      expect(await store.consent('u', 'd')).to.equal('a')
      await store.removeConsents('u')
      expect(await store.consent('u', 'e')).to.equal(undefined)
      expect(await store.consent('v', 'c')).to.equal('a')
    })

    it('uses an identifier once', async () => {
      const id = digestOf('id')
      const uses = await Promise.all([1, 2, 3].map(() => store.useOnce(id, NOW + MINUTE)))
      expect(uses.filter(Boolean)).to.have.length(1)
    })

    it('counts attempts within the window that the first one opened', async () => {
      const count = (at: number) => store.countAttempt('b', 60, at)
      expect([await count(NOW), await count(NOW + 59_000)]).to.deep.equal([1, 2])
      expect(await store.attempts('b', NOW + 59_999)).to.equal(2)
      expect(await store.attempts('b', NOW + 60_000)).to.equal(0)
      expect(await count(NOW + 60_000)).to.equal(1)
      await store.takeBackAttempt('b', NOW + 60_000)
      await store.takeBackAttempt('b', NOW + 60_000)
      expect(await store.attempts('b', NOW + 60_000)).to.equal(0)
      expect(await count(NOW + 60_001)).to.equal(1)
    })

    describe('with a device', () => {
      const { deviceDigest, userCodeDigest } = device
      const poll = async (at: number) => (await store.pollDevice(deviceDigest, redemption(at))).kind
      beforeEach(async () => {
        expect(await store.saveDevice(device)).to.equal(true)
      })

      it('refuses a user code that is taken', async () => {
        expect(await store.saveDevice({ ...device, deviceDigest: digestOf('other') })).to.equal(
          false,
        )
      })

      it('finds it while it waits', async () => {
        expect(await store.waitingDevice(userCodeDigest, NOW)).to.deep.equal(device)
        expect(await store.waitingDevice(userCodeDigest, device.expiresAt)).to.equal(undefined)
        expect(await store.device(deviceDigest)).to.deep.equal(device)
      })

      it('keeps the interval and makes it longer for the hasty', async () => {
        expect(await poll(NOW)).to.equal('pending')
        expect(await poll(NOW + 1000)).to.equal('slow_down')
        expect(await poll(NOW + 7000)).to.equal('slow_down')
        expect(await poll(NOW + 22_000)).to.equal('pending')
        expect(await poll(device.expiresAt)).to.equal('expired')
      })

      it('is approved once and redeemed once', async () => {
        const grants = [newGrant(), newGrant()]
        const approvals = await Promise.all(
          grants.map((grant) => store.approveDevice(userCodeDigest, grant, NOW)),
        )
        expect(approvals).to.deep.equal([true, false])
        expect(await store.denyDevice(userCodeDigest, NOW)).to.equal(false)
        expect(await poll(NOW)).to.equal('redeemed')
        expect(await poll(NOW + 6000)).to.equal('dead')
        expect(await isLive(grants[0] as Grant)).to.equal(true)
        expect(await isLive(grants[1] as Grant)).to.equal(false)
      })

      it('is denied for good', async () => {
        expect(await store.denyDevice(userCodeDigest, NOW)).to.equal(true)
        expect(await store.approveDevice(userCodeDigest, newGrant(), NOW)).to.equal(false)
        expect(await poll(NOW)).to.equal('denied')
      })
    })

    it('sweeps what has expired, at most so much at a time', async () => {
      for (let n = 0; n < 5; n++) await store.useOnce(digestOf(`${n}`), NOW)
      await store.useOnce(digestOf('later'), NOW + MINUTE)
      expect(await store.sweep(NOW, 3)).to.equal(3)
      expect(await store.sweep(NOW, 3)).to.equal(2)
      expect(await store.sweep(NOW, 3)).to.equal(0)
      expect(await store.useOnce(digestOf('later'), NOW + MINUTE)).to.equal(false)
    })
  })
}
