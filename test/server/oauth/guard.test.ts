import { expect } from 'chai'
import { decodeJwt, importPKCS8, SignJWT } from 'jose'
import { code, OTHER_RESOURCE, openedKey, read, redeem, type World, world } from './fixture.js'

describe('an access token that is shown again (RFC 6750 section 3.1)', () => {
  let at: World
  beforeEach(async () => {
    at = await world()
  })

  async function twice(changes: Record<string, string>): Promise<[status: number, why: string][]> {
    const { access_token } = (await redeem(at, await code(at, changes))).body
    const answers = [await read(at, access_token), await read(at, access_token)]
    return answers.map(({ status, headers }) => [
      status,
      /error="([^"]*)"/.exec(headers['www-authenticate'] ?? '')?.[1] ?? '',
    ])
  }

  it('lacks a scope as it did before', async () => {
    const refused = [403, 'insufficient_scope']
    expect(await twice({ scope: 'file.write' })).to.deep.equal([refused, refused])
  })

  it('ends with its grant, when that ends first', async () => {
    const { access_token } = (await redeem(at, await code(at))).body
    at.database.prepare('UPDATE grants SET expires_at = ?').run(at.now + 1000)
    expect((await read(at, access_token)).status).to.equal(200)
    at.now += 1000
    expect((await read(at, access_token)).status).to.equal(401)
  })

  it('is for another resource as it was before', async () => {
    const refused = [401, 'invalid_token']
    expect(await twice({ resource: OTHER_RESOURCE })).to.deep.equal([refused, refused])
  })
})

describe('an access token (RFC 9068 section 2.2.1)', () => {
  it('says when the user signed in', async () => {
    const at = await world()
    const auth_time = at.now / 1000
    const issued = await code(at)
    at.now += 5000
    const { body } = await redeem(at, issued)
    expect(decodeJwt(body.access_token)).to.include({ auth_time, iat: auth_time + 5 })
  })

  it('counts with the one algorithm that its key is for (RFC 8725 section 3.1)', async () => {
    const at = await world()
    const { access_token } = (await redeem(at, await code(at))).body
    const { alg: ours, key, kid } = await openedKey(at, 'RS256')
    for (const [alg, status] of [
      [ours, 200],
      ['RS512', 401],
      ['PS256', 401],
    ] as const) {
      const token = await new SignJWT(decodeJwt(access_token))
        .setProtectedHeader({ alg, typ: 'at+jwt', kid })
        .sign(await importPKCS8(key, alg))
      expect((await read(at, token)).status, alg).to.equal(status)
    }
  })
})
