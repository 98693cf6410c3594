import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { refresh, tokens, type World, world } from './fixture.js'

const SECOND = 1000
const DAY = 86_400 * SECOND

/** Who may hold a refresh token, and what it is bound to. */
async function holder(at: World) {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  let nonce: string | undefined
  const asked = async (token: string) => {
    const proof = new SignJWT({
      htm: 'POST',
      htu: 'https://as.test/token',
      jti: randomUUID(),
      nonce,
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt(at.now / SECOND)
    const answer = await refresh(at, token).set('DPoP', await proof.sign(privateKey))
    nonce = answer.headers['dpop-nonce'] ?? nonce
    return answer
  }
  return async (token: string): Promise<{ refresh_token: string; error: string | undefined }> => {
    const answer = await asked(token)
    const { body } = answer.body.error === 'use_dpop_nonce' ? await asked(token) : answer
    return { refresh_token: body.refresh_token, error: body.error }
  }
}

/** The answer to a refresh may be lost, and the next try come after hours: the machine has slept. */
describe('a refresh token that is bound to a key, and whose successor was perhaps lost', () => {
  let at: World
  let owner: Awaited<ReturnType<typeof holder>>
  let first: string
  beforeEach(async () => {
    at = await world()
    owner = await holder(at)
    first = (await owner((await tokens(at)).refresh_token)).refresh_token
  })
  const events = () =>
    at.events.map(({ type }) => type).filter((type) => type.startsWith('refresh'))

  it('gets another one, for as long as it is good itself', async () => {
    const lost = await owner(first)
    at.now += 29 * DAY
    const second = await owner(first)
    expect(second).to.include({ error: undefined })
    expect(second.refresh_token).to.not.equal(lost.refresh_token)
    expect(events()).to.deep.equal(['refresh.again'])
    at.now += 60 * SECOND
    const third = await owner(first)
    expect(third).to.include({ error: undefined })
    expect(await owner(third.refresh_token)).to.include({ error: undefined })
  })

  it('ends the family where somebody has the successor after all: there are two with the key', async () => {
    const kept = await owner(first)
    at.now += 60 * SECOND
    const second = await owner(first)
    expect(await owner(kept.refresh_token)).to.include({ error: 'invalid_grant' })
    expect(await owner(second.refresh_token)).to.include({ error: 'invalid_grant' })
    expect(events()).to.deep.equal(['refresh.again', 'refresh.reuse'])
  })

  it('is followed by what nobody can tell from the successor that is void, though they have the key', async () => {
    const kept = await owner(first)
    at.now += 60 * SECOND
    const second = await owner(first)
    const [stamp] = second.refresh_token.split('.')
    const [, secret] = kept.refresh_token.split('.')
    expect(await owner(`${stamp}.${secret}`)).to.include({ error: 'invalid_grant' })
    expect(await owner(second.refresh_token)).to.include({ error: undefined })
  })

  it('ends the family once the successor was used', async () => {
    const next = await owner((await owner(first)).refresh_token)
    at.now += 60 * SECOND
    expect(await owner(first)).to.include({ error: 'invalid_grant' })
    expect(await owner(next.refresh_token)).to.include({ error: 'invalid_grant' })
    expect(events()).to.deep.equal(['refresh.reuse'])
  })

  it('is of no use to another key, and stays good for its own', async () => {
    await owner(first)
    at.now += 60 * SECOND
    const thief = await holder(at)
    expect(await thief(first)).to.include({ error: 'invalid_grant' })
    expect(events()).to.deep.equal(['refresh.refuse'])
    expect(await owner(first)).to.include({ error: undefined })
  })

  it('ends the family when the clock was set back', async () => {
    await owner(first)
    at.now -= DAY
    expect(await owner(first)).to.include({ error: 'invalid_grant' })
    expect(events()).to.deep.equal(['refresh.reuse'])
  })
})
