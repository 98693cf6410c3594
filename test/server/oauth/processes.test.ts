import { expect } from 'chai'
import { CODE_VERIFIER, code, REDIRECT_URI, read, tokens, type World } from './fixture.js'
import { atOnce, type TwoWorkers, twoWorkers, worker } from './two-workers.js'

/** Races of revocation and refresh; the full run is COFFER_RACES=10000. */
const RACES = Number(process.env.COFFER_RACES ?? 100)

describe('two processes on one database (single use is linearizable)', function () {
  this.timeout(120_000)
  let two: TwoWorkers
  let here: World
  let workers: TwoWorkers['workers']

  before(async () => {
    two = await twoWorkers()
    ;({ here, workers } = two)
  })
  after(() => two?.close())

  const redemption = async () => ({
    grant_type: 'authorization_code',
    redirect_uri: REDIRECT_URI,
    code_verifier: CODE_VERIFIER,
    code: await code(here),
  })

  it('redeem a code once', async () => {
    for (let round = 0; round < 5; round++) {
      const form = await redemption()
      const answers = await atOnce(workers, 100, form)
      expect(answers.filter(({ status }) => status === 200)).to.have.length(1)
    }
  })

  it('give a refresh token one successor', async () => {
    const { refresh_token } = await tokens(here)
    const form = { grant_type: 'refresh_token', refresh_token }
    const answers = await atOnce(workers, 100, form)
    const successors = new Set(answers.map(({ body }) => body.refresh_token))
    const [successor = ''] = successors
    expect(successor).to.be.a('string').that.is.not.empty
    expect(successors.size).to.equal(1)
    for (const { post } of workers) {
      expect((await post({ ...form, refresh_token: successor })).status).to.equal(200)
    }
  })

  it('leave nothing alive when one refreshes and the other revokes', async function () {
    this.timeout(60_000 + RACES * 200)
    const won = { refresh: 0, revocation: 0, later: 0 }
    for (let round = 0; round < RACES; round++) {
      const { refresh_token, access_token } = await tokens(here)
      const [one, other] = round % 4 < 2 ? workers : [workers[1], workers[0]]
      const form = { grant_type: 'refresh_token', refresh_token }
      const refresh = () => one.post(form)
      const revoke = () => other.post({ token: refresh_token }, '/revoke')
      // Who sets out first takes turns, and the other follows at once or up to a millisecond later.
      const first = round % 2 === 0 ? refresh() : revoke()
      const follows = performance.now() + (round % 5) / 5
      while (performance.now() < follows);
      const second = round % 2 === 0 ? revoke() : refresh()
      const [refreshed, revoked] =
        round % 2 === 0 ? [await first, await second] : [await second, await first]
      expect(revoked.status).to.equal(200)
      const winner = refreshed.status === 200 ? 'refresh' : 'revocation'
      won[winner]++
      if ((winner === 'refresh') !== (round % 2 === 0)) won.later++
      const alive = [form]
      if (winner === 'refresh') {
        alive.push({ ...form, refresh_token: refreshed.body.refresh_token ?? '' })
        expect((await read(here, refreshed.body.access_token ?? '')).status).to.equal(401)
      }
      for (const each of alive) expect((await one.post(each)).body.error).to.equal('invalid_grant')
      expect((await read(here, access_token)).status).to.equal(401)
    }
    process.stderr.write(`revocation and refresh, ${RACES} races: ${JSON.stringify(won)}\n`)
    expect(Math.min(won.refresh, won.revocation), JSON.stringify(won)).to.be.above(RACES / 20)
  })

  it('redeem a code at most once when one of them is killed', async () => {
    for (let round = 0; round < 4; round++) {
      const victim = await worker(two.database)
      const form = await redemption()
      const first = victim.post(form).then(
        ({ status }) => status,
        () => 'killed' as const,
      )
      await new Promise((resolve) => setTimeout(resolve, round * 2))
      await victim.running.stop('SIGKILL')
      const outcomes = [
        await first,
        ...(await Promise.all(workers.map(({ post }) => post(form)))).map(({ status }) => status),
      ]
      expect(outcomes.filter((status) => status === 200).length).to.be.at.most(1)
    }
  })

  it('give a refresh token one successor, and keep the session, when one of them is killed', async () => {
    for (let round = 0; round < 4; round++) {
      const victim = await worker(two.database)
      const { refresh_token } = await tokens(here)
      const form = { grant_type: 'refresh_token', refresh_token }
      const first = victim.post(form).then(
        ({ body }) => body.refresh_token,
        () => undefined,
      )
      await new Promise((resolve) => setTimeout(resolve, round * 2))
      await victim.running.stop('SIGKILL')
      const answers = await Promise.all(workers.map(({ post }) => post(form)))
      const all = [await first, ...answers.map(({ body }) => body.refresh_token)]
      const successors = new Set(all.filter((token) => token !== undefined))
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 200])
      expect(successors.size).to.equal(1)
      const [successor = ''] = successors
      const next = await workers[0].post({ ...form, refresh_token: successor })
      expect(next.status).to.equal(200)
    }
  })
})
