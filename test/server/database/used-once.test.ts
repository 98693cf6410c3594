import { expect } from 'chai'
import { digestOf } from '../../../oauth/secrets.js'
import { openDatabase } from '../../../server/database/database.js'
import { oauthStore } from '../../../server/database/oauth-store.js'
import { NOW } from '../../oauth/store-records.js'

/** Identifiers of proofs; the full run is COFFER_PROOFS=1000000. */
const PROOFS = Number(process.env.COFFER_PROOFS ?? 20_000)
/** How long one is remembered (RFC 9449 section 11.1), and how many come in that time. */
const REMEMBERED = 121_000
const AT_ONCE = 1000
const BETWEEN = REMEMBERED / 5

describe('identifiers that count once (RFC 9449 section 11.1)', function () {
  this.timeout(0)

  it(`takes no more room for ${PROOFS} of them than those need that still count`, async () => {
    const database = openDatabase(':memory:')
    const store = oauthStore(database)
    const rows = database.prepare<[], number>('SELECT count(*) FROM used_once').pluck()
    const pages = () => Number(database.pragma('page_count', { simple: true }))
    let at = NOW
    let most = 0
    let pagesOfSixWindows = 0
    for (let used = 0; used < PROOFS; used += AT_ONCE) {
      const ids = Array.from({ length: AT_ONCE }, (_, n) => digestOf(`proof ${used + n}`))
      const fresh = await Promise.all(ids.map((id) => store.useOnce(id, at + REMEMBERED)))
      expect(fresh.every(Boolean), 'every one of them is new').to.equal(true)
      expect(await store.useOnce(ids[0] ?? digestOf(''), at + REMEMBERED)).to.equal(false)
      while ((await store.sweep(at, AT_ONCE)) >= AT_ONCE) {
        // What has expired goes.
      }
      most = Math.max(most, rows.get() ?? 0)
      if (used <= 10 * AT_ONCE) pagesOfSixWindows = pages()
      at += BETWEEN
    }
    expect(most, 'rows').to.be.at.most(6 * AT_ONCE)
    expect(pages(), 'pages of the database').to.be.at.most(pagesOfSixWindows * 1.5)
    await store.sweep(at + REMEMBERED, 10 * AT_ONCE)
    expect(rows.get()).to.equal(0)
    database.close()
  })
})
