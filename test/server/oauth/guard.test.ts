import { expect } from 'chai'
import { code, OTHER_RESOURCE, read, redeem, type World, world } from './fixture.js'

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

  it('is for another resource as it was before', async () => {
    const refused = [401, 'invalid_token']
    expect(await twice({ resource: OTHER_RESOURCE })).to.deep.equal([refused, refused])
  })
})
