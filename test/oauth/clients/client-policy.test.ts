import { expect } from 'chai'
import { maySignWith } from '../../../oauth/clients/client-policy.js'
import { FOREIGN_ALGORITHMS } from '../../../oauth/jose/foreign-jwt.js'
import { client } from '../store-records.js'

describe('algorithms of what a client signs (FAPI 2.0 Security Profile section 5.4.1)', () => {
  const allowed = (fapi: boolean) =>
    FOREIGN_ALGORITHMS.filter((alg) => maySignWith({ ...client, fapi }, alg))

  it('are ES256 and PS256 for a client of the profile, all that are known for others', () => {
    expect(allowed(true)).to.have.members(['ES256', 'PS256'])
    expect(allowed(false)).to.deep.equal(FOREIGN_ALGORITHMS)
  })
})
