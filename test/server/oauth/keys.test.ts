import { expect } from 'chai'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { type AuditEvent, DEFAULT_LIFETIMES, localKeys, type Store } from '../../../oauth/index.js'
import { openDatabase } from '../../../server/database/database.js'
import { oauthStore } from '../../../server/database/oauth/store.js'
import { until } from '../../support/until.js'
import { keysMade } from './fixture.js'

const SECRET = Buffer.alloc(32, 7)
const ROTATION = (DEFAULT_LIFETIMES.signingKey - DEFAULT_LIFETIMES.publishBeforeUse) * 1000
const HALF_A_MINUTE = 30_000

/** A store that takes no new keys until it may: what a slow processor makes of a long key, as long as a test wants. */
function waitingStore(store: Store) {
  let write: (outcome: 'written' | 'failed') => void = () => {}
  const written = new Promise<'written' | 'failed'>((resolve) => {
    write = resolve
  })
  const replaceSigningKeys: Store['replaceSigningKeys'] = async (seen, keys) => {
    if ((await written) === 'failed') throw new Error('the disk is full')
    return store.replaceSigningKeys(seen, keys)
  }
  return { store: { ...store, replaceSigningKeys }, write }
}

describe('a rotation of the signing keys that comes by itself', () => {
  let now: number
  let plain: Store
  let failures: unknown[]
  let events: AuditEvent[]
  beforeEach(() => {
    now = Date.UTC(2026, 0, 1)
    failures = []
    events = []
    plain = oauthStore(openDatabase(':memory:'))
  })
  const keysOf = (store: Store, audit = (event: AuditEvent): void => void events.push(event)) =>
    localKeys({
      store,
      secret: SECRET,
      clock: () => new Date(now),
      rotationFailed: (cause) => failures.push(cause),
      audit,
    })
  const kidOf = (token: string) => decodeProtectedHeader(token).kid

  it('lets everybody sign, verify and read the set while the next keys are made', async () => {
    const first = kidOf(await keysOf(plain).sign('ES256', 'JWT', {})) ?? ''
    const { store, write } = waitingStore(plain)
    const keys = keysOf(store)
    now += ROTATION
    const made = now
    for (let n = 0; n < 3; n++) {
      expect(kidOf(await keys.sign('ES256', 'JWT', {}))).to.equal(first)
      await keys.sign('RS256', 'JWT', {})
      expect(await keys.verificationKey(first)).to.have.property('alg', 'ES256')
      expect((await keys.jwks()).keys).to.have.length(2)
      now += HALF_A_MINUTE
    }
    write('written')
    await keysMade(plain, made)
    expect((await keys.jwks()).keys, 'published at once').to.have.length(4)
    expect(kidOf(await keys.sign('ES256', 'JWT', {}))).to.equal(first)
    now += DEFAULT_LIFETIMES.publishBeforeUse * 1000
    expect(kidOf(await keys.sign('ES256', 'JWT', {}))).to.not.equal(first)
    expect(failures).to.deep.equal([])
  })

  it('is in the audit log: what came, and what went a day after its last use', async () => {
    const keys = keysOf(plain)
    await keys.sign('ES256', 'JWT', {})
    const first = await plain.signingKeys()
    now += ROTATION
    const made = now
    await keys.sign('ES256', 'JWT', {})
    await keysMade(plain, made)
    const all = await plain.signingKeys()
    expect(all).to.have.length(4)
    now += (DEFAULT_LIFETIMES.publishBeforeUse + DEFAULT_LIFETIMES.keepAfterUse) * 1000 + 1
    await keys.sign('ES256', 'JWT', {})
    await until('the old keys are dropped', async () => (await plain.signingKeys()).length === 2)
    const named = (type: string) =>
      events.filter((event) => event.type === type).map(({ detail }) => detail)
    const details = (some: typeof all) => some.map(({ alg, kid }) => `${alg} ${kid}`)
    expect(named('key.rotate')).to.have.members(details(all))
    expect(named('key.retire')).to.have.members(details(first))
  })

  it('is told of once where two processes make the keys at the same time', async () => {
    const [one, other] = [keysOf(plain), keysOf(plain)]
    await Promise.all([one.jwks(), other.jwks()])
    expect(await plain.signingKeys()).to.have.length(2)
    expect(events.map(({ type }) => type)).to.deep.equal(['key.rotate', 'key.rotate'])
  })

  it('that fails is told of, tried again, and leaves the old keys signing', async () => {
    const first = kidOf(await keysOf(plain).sign('ES256', 'JWT', {}))
    const { store, write } = waitingStore(plain)
    const keys = keysOf(store)
    now += ROTATION
    write('failed')
    for (let n = 0; failures.length < 2 && n < 100_000; n++) {
      now += HALF_A_MINUTE
      expect(kidOf(await keys.sign('ES256', 'JWT', {}))).to.equal(first)
    }
    expect(failures).to.have.length.of.at.least(2)
  })

  describe('that fails again and again', () => {
    let isFull: boolean
    let store: Store
    let keys: ReturnType<typeof keysOf>
    beforeEach(async () => {
      await keysOf(plain).jwks()
      events = []
      isFull = true
      store = {
        ...plain,
        replaceSigningKeys: async (seen, next) => {
          if (isFull) throw new Error('the disk is full')
          return plain.replaceSigningKeys(seen, next)
        },
      }
    })
    const failed = { type: 'key.rotate', outcome: 'failure', detail: 'the disk is full' }

    /** Half a minute after another. */
    async function whileUsed(what: string, is: () => boolean): Promise<void> {
      await until(what, async () => {
        now += HALF_A_MINUTE
        await keys.sign('ES256', 'JWT', {})
        return is()
      })
    }
    const failsTwice = async () => {
      const before = failures.length
      await whileUsed('it has failed twice', () => failures.length >= before + 2)
    }

    it('is in the audit log once, and once more when it fails after it went well', async () => {
      keys = keysOf(store)
      now += ROTATION
      await failsTwice()
      expect(events).to.deep.equal([failed])
      isFull = false
      await whileUsed('two keys were made', () => events.length === 3)
      events = []
      isFull = true
      now += ROTATION
      await whileUsed('the audit log has it', () => events.length > 0)
      expect(events).to.deep.equal([failed])
    })

    it('is in it as soon as the audit log can be written', async () => {
      const audit = (event: AuditEvent) => {
        if (failures.length === 1) throw new Error('the disk is full here, too')
        events.push(event)
      }
      keys = keysOf(store, audit)
      now += ROTATION
      await whileUsed('the audit log has it', () => events.length > 0)
      expect(events).to.deep.equal([failed])
    })
  })
})

describe('the signing keys', () => {
  it('sign claims of any length', async () => {
    const store = oauthStore(openDatabase(':memory:'))
    const keys = localKeys({
      store,
      secret: SECRET,
      clock: () => new Date(),
      rotationFailed: () => {},
      audit: () => {},
    })
    for (const nonce of ['short', 'a'.repeat(10_000), '語'.repeat(5_000)]) {
      const token = await keys.sign('ES256', 'JWT', { nonce })
      const published = createLocalJWKSet((await keys.jwks()) as unknown as JSONWebKeySet)
      expect((await jwtVerify(token, published)).payload).to.deep.equal({ nonce })
    }
  })
})
