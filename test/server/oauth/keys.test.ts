import { expect } from 'chai'
import { decodeProtectedHeader } from 'jose'
import { DEFAULT_LIFETIMES, localKeys, type Store } from '../../../oauth/index.js'
import { openDatabase } from '../../../server/database/database.js'
import { oauthStore } from '../../../server/database/oauth-store.js'
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
  beforeEach(() => {
    now = Date.UTC(2026, 0, 1)
    failures = []
    plain = oauthStore(openDatabase(':memory:'))
  })
  const keysOf = (store: Store) =>
    localKeys({
      store,
      secret: SECRET,
      clock: () => new Date(now),
      rotationFailed: (cause) => failures.push(cause),
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
  }).timeout(20_000)
})
