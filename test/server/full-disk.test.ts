import { existsSync, unlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { openDatabase } from '../../server/database/database.js'
import { whenFull } from '../../server/database/full-disk.js'
import { lockDataDirectory } from '../../server/database/lock.js'
import { lockSessionTable } from '../../server/database/lock-sessions.js'
import { oauthStore } from '../../server/database/oauth/store.js'
import { client } from '../oauth/store-records.js'
import { ownPort } from '../support/own-port.js'
import { requires } from '../support/requires.js'
import { type SmallDisk, smallDisk } from '../support/small-disk.js'
import { field, PASSWORD, signIn, startSite } from './running.js'

const DISK_BYTES = 32 * 2 ** 20
const BALLAST_BYTES = 2 * 2 ** 20

describe('while the disk of the server is full', function () {
  this.timeout(120_000)

  let disk: SmallDisk
  let data: string
  beforeEach(async function () {
    requires(this, 'root')
    disk = await smallDisk('full-disk', DISK_BYTES)
    data = disk.directory
  })
  afterEach(() => disk?.remove())

  it('people sign in as long as there is a ballast, and are told what is wrong afterwards', async () => {
    const site = await startSite({ data })
    try {
      await writeFile(join(data, 'ballast'), Buffer.alloc(BALLAST_BYTES, 'b'))
      await disk.fill()
      const browser = site.browser()
      expect((await signIn(browser, { password: 'not this one' })).status).to.equal(403)
      expect(existsSync(join(data, 'ballast'))).to.equal(true)
      expect((await signIn(browser)).status).to.equal(303)
      expect((await browser.get('/account')).status).to.equal(200)
      await disk.fill()
      const refused = await signIn(site.browser())
      expect(refused.status).to.equal(507)
      expect(refused.text).to.contain('The disk of the server is full')
      await disk.clear()
      expect((await signIn(site.browser())).status).to.equal(303)
    } finally {
      await disk.clear()
      await site.stop()
    }
  })

  it('guesses at a password are answered as always, count, and leave the ballast to people', async () => {
    const site = await startSite({ data, environment: { COFFER_LOGIN_FAILURES: '3' } })
    try {
      await writeFile(join(data, 'ballast'), Buffer.alloc(BALLAST_BYTES, 'b'))
      await disk.fill()
      const guess = async () => (await signIn(site.browser(), { password: 'a guess' })).status
      expect([await guess(), await guess(), await guess()]).to.deep.equal([403, 403, 403])
      expect(await guess()).to.equal(429)
      expect(existsSync(join(data, 'ballast'))).to.equal(true)
    } finally {
      await disk.clear()
      await site.stop()
    }
  })

  it('people choose another password, and take back what has access, at the cost of the ballast', async () => {
    const site = await startSite({ data })
    try {
      const browser = site.browser()
      await signIn(browser)
      const page = await browser.get('/account')
      await writeFile(join(data, 'ballast'), Buffer.alloc(BALLAST_BYTES, 'b'))
      await disk.fill()
      const changed = await browser
        .post('/account/password')
        .type('form')
        .send({
          csrf_token: field(page.text, 'csrf_token'),
          current_password: PASSWORD,
          new_password: 'another password',
          repeated_password: 'another password',
        })
      expect(changed.status, changed.text).to.equal(303)
      expect((await signIn(site.browser(), { password: 'another password' })).status).to.equal(303)
    } finally {
      await disk.clear()
      await site.stop()
    }
  })

  it('what people allow is kept, and what they take back is gone, at the cost of the ballast', async () => {
    const database = openDatabase(join(data, 'coffer.db'))
    const store = oauthStore(database)
    await store.saveClient(client)
    const ballast = join(data, 'ballast')
    whenFull(database, () => {
      unlinkSync(ballast)
      return true
    })
    const changes: [change: () => Promise<unknown>, left: string | undefined][] = [
      [() => store.saveConsent('ann', client, 'file.read'), 'file.read'],
      [() => store.removeConsents('ann', client.client_id), undefined],
    ]
    for (const [change, left] of changes) {
      await disk.clear()
      await writeFile(ballast, Buffer.alloc(BALLAST_BYTES, 'b'))
      await disk.fill()
      await change()
      expect(existsSync(ballast)).to.equal(false)
      expect(await store.consent('ann', client.client_id)).to.equal(left)
    }
    database.close()
  })

  it('the server stops as always', async () => {
    const site = await startSite({ data })
    try {
      const { access_token } = await site.tokens()
      const used = await site.browser().get('/files').auth(access_token, { type: 'bearer' })
      expect(used.status).to.equal(200)
      await disk.fill()
      const guess = { grant_type: 'refresh_token', client_id: 'coffer', refresh_token: 'a guess' }
      const refused = await site.browser().post('/token').type('form').send(guess)
      expect(refused.body.error).to.equal('invalid_grant')
    } finally {
      await site.stop()
    }
  })

  it('the server starts as long as there is a ballast, and says what is wrong afterwards', async () => {
    const environment = { COFFER_PORT: String(await ownPort()) }
    await (await startSite({ data, environment })).stop()
    await writeFile(join(data, 'ballast'), Buffer.alloc(BALLAST_BYTES, 'b'))
    await disk.fill()
    const site = await startSite({ data, environment })
    expect((await signIn(site.browser())).status).to.equal(303)
    await site.stop()
    expect(existsSync(join(data, 'ballast'))).to.equal(false)
    await disk.fill()
    const failure = await startSite({ data, environment }).then(
      () => 'it started',
      (error: Error) => error.message,
    )
    expect(failure).to.contain(join(data, 'coffer.db')).and.contain('its disk is full')
    expect(() => lockDataDirectory(data))
      .to.throw(join(data, 'lock'))
      .and.match(/its disk is full/)
  })

  it('a client that is done with locks is forgotten later', async () => {
    const database = openDatabase(join(data, 'coffer.db'))
    const records = lockSessionTable(database)
    records.add('ann', 'laptop')
    records.lease('ann', 'laptop', 7)
    await disk.fill()
    records.unlease('ann', 7)
    records.remove('ann', 'laptop')
    expect([records.all().length, records.leases().length]).to.deep.equal([1, 1])
    await disk.clear()
    records.remove('ann', 'laptop')
    expect([records.all().length, records.leases().length]).to.deep.equal([0, 0])
    database.close()
  })
})
