import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import supertest from 'supertest'
import { ownPort } from '../../support/own-port.js'
import { type Running, signIn, startSite } from '../running.js'
import { commandLine } from './command-line.js'

describe('coffer-server', () => {
  const place = commandLine()
  const { coffer, spawned } = place

  it('administers beside a running server, at once', async () => {
    const site: Running = await startSite({ data: place.data })
    const added = await coffer(['user', 'add', 'Maria', '--name', 'Maria M.'])
    expect(added.status, added.stderr).to.equal(0)
    const drawn = /password is ([a-z0-9-]{23}) /.exec(added.stdout)?.[1] ?? ''
    const maria = { username: 'maria', password: drawn }
    expect((await signIn(site.browser(), maria)).status).to.equal(303)
    const { access_token } = await site.tokens('maria', drawn)
    const status = async () =>
      (
        await supertest
          .agent(site.issuer, { ca: site.ca })
          .get('/files/')
          .set('Authorization', `Bearer ${access_token}`)
      ).status
    expect(await status()).to.equal(200)

    const changed = await coffer(
      ['user', 'passwd', 'maria', '--password-stdin'],
      'chosen by maria\n',
    )
    expect(changed.stdout).to.not.contain('chosen by maria')
    expect(await status()).to.equal(401)
    expect((await signIn(site.browser(), maria)).status).to.equal(403)
    const chosen = { ...maria, password: 'chosen by maria' }
    expect((await signIn(site.browser(), chosen)).status).to.equal(303)

    await coffer(['user', 'disable', 'maria'])
    expect((await signIn(site.browser(), chosen)).status).to.equal(403)
    expect((await coffer(['user', 'list'])).stdout).to.match(/^maria +Maria M\. +disabled /m)
    await coffer(['user', 'enable', 'maria'])
    expect((await signIn(site.browser(), chosen)).status).to.equal(303)

    const log = await coffer(['audit', 'list', '--user', 'maria'])
    const events = log.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({ event }) => event)).to.include.members([
      'user.add',
      'login',
      'password.change',
      'user.disable',
      'user.enable',
    ])
    expect(events[0]).to.include({ user: 'maria', outcome: 'success' })
    const verified = await coffer(['audit', 'verify'])
    expect(verified.status).to.equal(0)
    expect(verified.stdout).to.match(/is whole: \d+ entries/)
    await site.stop()
  }).timeout(120_000)

  it('removes an account with all its files, when it is told so and no server runs', async () => {
    await coffer(['user', 'add', 'rosa'])
    await coffer(['user', 'add', 'peter', '--password-stdin'], 'password of peter')
    const site = await startSite({ data: place.data })
    const { access_token } = await site.tokens('peter', 'password of peter')
    const agent = supertest
      .agent(site.issuer, { ca: site.ca })
      .auth(access_token, { type: 'bearer' })
    for (const path of ['/files/d', '/files/d/e'])
      expect((await agent.post(path)).status).to.equal(201)
    expect((await agent.put('/files/d/e/f').send('content')).status).to.equal(201)
    const unsure = await coffer(['user', 'remove', 'peter'])
    expect(unsure.stderr).to.contain('--delete-files').and.contain('user disable peter')
    const early = await coffer(['user', 'remove', 'peter', '--delete-files'])
    expect(early.stderr).to.contain('in use by another coffer-server')
    expect((await agent.get('/files/d/e/f')).status).to.equal(200)
    await site.stop()
    const removed = await coffer(['user', 'remove', 'peter', '--delete-files'])
    expect(removed.stdout, removed.stderr).to.equal('Removed peter and 3 files and folders.')
    expect((await coffer(['user', 'list'])).stdout).to.not.contain('peter')
    const added = await coffer(['user', 'add', 'peter'])
    expect(added.status).to.equal(0)
    expect((await coffer(['fsck'])).stdout).to.equal('Everything agrees.')
  })

  it('sets a quota beside a running server, for who has files and who has none yet', async () => {
    await coffer(['user', 'add', 'rosa', '--password-stdin'], 'password of rosa')
    const site = await startSite({ data: place.data })
    const first = await coffer(['user', 'quota', 'rosa', '--bytes', '1K'])
    expect(first.stdout, first.stderr).to.equal(
      'rosa uses 0 of 1024 bytes and 1 files and folders.',
    )
    const { access_token } = await site.tokens('rosa', 'password of rosa')
    const agent = supertest
      .agent(site.issuer, { ca: site.ca })
      .auth(access_token, { type: 'bearer' })
    const put = async (path: string, size: number) => {
      const answer = await agent.put(path).type('bin').send('x'.repeat(size))
      return [answer.status, answer.body.code]
    }
    expect(await put('/files/a', 1025)).to.deep.equal([507, 'EDQUOT'])
    expect(await put('/files/a', 1024)).to.deep.equal([201, undefined])
    const second = await coffer(['user', 'quota', 'rosa', '--bytes', 'none', '--files', '3'])
    expect(second.stdout).to.equal('rosa uses 1024 bytes and 2 of 3 files and folders.')
    expect(await put('/files/b', 5000)).to.deep.equal([201, undefined])
    expect(await put('/files/c', 1)).to.deep.equal([507, 'EDQUOT'])
    expect((await coffer(['user', 'quota', 'rosa'])).stdout).to.equal(
      'rosa uses 6024 bytes and 3 of 3 files and folders.',
    )
    for (const count of ['-1', '1.5', '1X', '9007199254740992', ''])
      expect((await coffer(['user', 'quota', 'rosa', `--bytes=${count}`])).stderr).to.contain(
        '--bytes must be',
      )
    const log = await coffer(['audit', 'list', '--user', 'rosa'])
    expect(log.stdout.match(/user\.quota/g)).to.have.length(2)
    await site.stop()
    expect((await coffer(['fsck'])).stdout).to.equal('Everything agrees.')
  }).timeout(60_000)

  it('proves that metadata and content agree, also beside a running server', async () => {
    const site = await startSite({ data: place.data })
    const { access_token } = await site.tokens()
    const agent = supertest
      .agent(site.issuer, { ca: site.ca })
      .auth(access_token, { type: 'bearer' })
    expect((await agent.put('/files/a').send('content')).status).to.equal(201)
    expect((await coffer(['fsck'])).stdout).to.equal('Everything agrees.')
    expect((await coffer(['fsck', '--repair'])).stderr).to.contain('in use by another')
    await site.stop()
    expect((await coffer(['fsck', '--repair'])).stdout).to.equal('Everything agrees.')
    const { default: Database } = await import('better-sqlite3')
    const database = new Database(join(place.data, 'coffer.db'))
    const { changes } = database.prepare('UPDATE inodes SET nlink = nlink + 1').run()
    database.close()
    expect(changes).to.be.above(0)
    const broken = await coffer(['fsck'])
    expect(broken.status).to.equal(1)
    expect(broken.stdout).to.contain('fsck --repair')
    expect((await coffer(['fsck', '--repair'])).status).to.equal(0)
    expect((await coffer(['fsck'])).stdout).to.equal('Everything agrees.')
  })

  it('says of which files only a backup has what is missing', async () => {
    const tree = join(place.parent, 'tree')
    mkdirSync(tree)
    for (const file of ['a', 'b']) writeFileSync(join(tree, file), Buffer.alloc(100_000, file))
    await coffer(['user', 'add', 'nora'])
    await coffer(['import', 'nora', tree])
    const contents = readdirSync(join(place.data, 'content'), { recursive: true, encoding: 'utf8' })
      .map((path) => join(place.data, 'content', path))
      .filter((path) => statSync(path).isFile())
    expect(contents).to.have.length(2)
    rmSync(contents[0] ?? '')
    const found = await coffer(['fsck'])
    expect(found.stdout).to.match(/1 of these are files .*--repair cuts.* a backup first\.$/)
    const repaired = await coffer(['fsck', '--repair'])
    expect(repaired.stdout).to.match(/1 of these are files .* cut .* a backup may have the rest\.$/)
  })

  it('takes in a plain tree, backs up while serving, restores, and gives the tree back', async () => {
    const tree = join(place.parent, 'tree')
    mkdirSync(join(tree, 'folder'), { recursive: true })
    writeFileSync(join(tree, 'folder', 'file'), 'some content')
    await coffer(['user', 'add', 'nora', '--password-stdin'], 'password of nora')
    const imported = await coffer(['import', 'nora', tree, '--into', '/'])
    expect(imported.stdout, imported.stderr).to.contain('skipped 0')

    const port = { COFFER_PORT: String(await ownPort()) }
    const site = await startSite({ data: place.data, environment: port })
    const { access_token, refresh_token = '' } = await site.tokens('nora', 'password of nora')
    expect((await coffer(['export', 'nora', join(place.parent, 'out')])).stderr).to.contain(
      'in use by',
    )
    const backedUp = await coffer(['backup', join(place.parent, 'backup')])
    expect(backedUp.stdout, backedUp.stderr).to.match(/Backed up \d+ contents/)
    const verified = await coffer(['backup', '--verify', join(place.parent, 'backup')])
    expect([verified.status, verified.stdout], verified.stderr).to.deep.equal([
      0,
      backedUp.stdout.replace(/, \d+ of them/, ', 0 of them'),
    ])
    await site.stop()

    const restored = join(place.parent, 'restored')
    const again = { COFFER_DATA: restored }
    const outcomeOfRestore = await coffer(['restore', join(place.parent, 'backup')], '', again)
    expect(outcomeOfRestore.stdout, outcomeOfRestore.stderr).to.contain('Everything agrees.')
    expect((await coffer(['restore', join(place.parent, 'backup')], '', again)).stderr).to.contain(
      'not empty',
    )
    expect((await coffer(['audit', 'verify'], '', again)).stdout).to.contain('is whole')

    const revived = await startSite({ data: restored, environment: port })
    expect(revived.ca).to.equal(site.ca)
    const agent = supertest.agent(revived.issuer, { ca: revived.ca })
    expect((await agent.get('/files/').auth(access_token, { type: 'bearer' })).status).to.equal(401)
    const refreshed = await agent
      .post('/token')
      .type('form')
      .send({ grant_type: 'refresh_token', client_id: 'coffer', refresh_token })
    expect(refreshed.body.error).to.equal('invalid_grant')
    const { scope } = await revived.tokens('nora', 'password of nora')
    expect(scope).to.contain('file.read')
    await revived.stop()

    const exported = await coffer(['export', 'nora', join(place.parent, 'out')], '', again)
    expect(exported.status, exported.stderr).to.equal(0)
    for (const [parameters, why] of [
      [[join(restored, 'content', 'x')], 'is in the data directory'],
      [[join(place.parent, 'none'), '--from', '/folder/file'], '--from must name a folder'],
    ] as const) {
      const { status, stderr } = await coffer(['export', 'nora', ...parameters], '', again)
      expect(status).to.equal(1)
      expect(stderr).to.contain(why)
    }
    expect(existsSync(join(place.parent, 'none'))).to.equal(false)
    const out = join(place.parent, 'out', 'folder', 'file')
    expect(readFileSync(out, 'utf8')).to.equal('some content')

    writeFileSync(out, 'something of my own')
    const refused = await coffer(['export', 'nora', join(place.parent, 'out')], '', again)
    expect(refused.stderr).to.contain('is not empty: it has "folder"').and.contain('--overwrite')
    expect(readFileSync(out, 'utf8')).to.equal('something of my own')
    await coffer(['export', 'nora', join(place.parent, 'out'), '--overwrite'], '', again)
    expect(readFileSync(out, 'utf8')).to.equal('some content')
  })

  it('registers and removes applications', async () => {
    const added = await coffer([
      'client',
      'add',
      'Backup',
      '--grant',
      'client_credentials',
      '--scope',
      'file.read',
    ])
    expect(added.status, added.stderr).to.equal(0)
    const id = /client_id +(\S+)/.exec(added.stdout)?.[1] ?? ''
    expect(added.stdout).to.match(/client_secret +[\w-]{27,} /)
    expect((await coffer(['client', 'list'])).stdout).to.match(
      new RegExp(`^${id} +Backup +client_secret_basic +file.read$`, 'm'),
    )
    const own = await coffer(['client', 'remove', 'coffer'])
    expect(own.stderr).to.contain('which every start makes again').and.contain('user disable')
    const unnamed = await coffer(['client', 'add', ''])
    expect(unnamed.stderr).to.contain('client_name: must have 1 to 100 characters')
    expect((await coffer(['client', 'remove', id])).status).to.equal(0)
    const again = await coffer(['client', 'remove', id])
    expect(again.status).to.equal(1)
    expect(again.stderr).to.contain('client list')
  }).timeout(60_000)

  it('lists and rotates keys: the next one is published before it signs', async () => {
    const site = await startSite({ data: place.data })
    await site.tokens()
    await site.stop()
    const before = await coffer(['key', 'list'])
    expect(before.stdout)
      .to.match(/ES256 +signing/)
      .and.match(/RS256 +signing/)
    expect((await coffer(['key', 'rotate'])).status).to.equal(0)
    const after = await coffer(['key', 'list'])
    expect(after.stdout)
      .to.match(/ES256 +signing/)
      .and.match(/ES256 +next/)
    const { stdout } = await coffer(['audit', 'list', '--event', 'key.rotate'])
    for (const [kid] of after.stdout.matchAll(/^[\w-]{43}/gm)) expect(stdout).to.contain(kid)
  }).timeout(60_000)

  it('shows an audit log that was tampered with, and its status says so', async () => {
    await coffer(['user', 'add', 'maria'])
    await coffer(['user', 'passwd', 'maria'])
    const { default: Database } = await import('better-sqlite3')
    const database = new Database(join(place.data, 'coffer.db'))
    database.exec("UPDATE audit SET address = '192.0.2.1' WHERE number = 2")
    database.close()
    const verified = await spawned(['audit', 'verify'])
    expect(verified.status).to.equal(1)
    expect(verified.stdout).to.contain('entry 2')
  }).timeout(60_000)
})
