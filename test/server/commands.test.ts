import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import supertest from 'supertest'
import { createProgram } from '../../server/commands/program.js'
import { databaseFile, prepareDataDirectory } from '../../server/data-directory.js'
import { openDatabase } from '../../server/database/database.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { ownPort } from '../support/own-port.js'
import { type Outcome, outcome, root } from '../support/process.js'
import { program } from '../support/program.js'
import { configuration, type Running, signIn, startSite } from './running.js'

describe('coffer-server', () => {
  let parent: string
  let data: string
  beforeEach(async () => {
    parent = await temporaryDirectory('commands')
    data = join(parent, 'data')
    prepareDataDirectory(data, undefined)
    openDatabase(databaseFile(data)).close()
  })
  afterEach(() => removeDirectory(parent))

  /** In a process of its own, as a person would. */
  function spawned(
    parameters: string[],
    input = '',
    env: NodeJS.ProcessEnv = {},
  ): Promise<Outcome> {
    return outcome(process.execPath, [...program('server'), ...parameters], {
      cwd: root,
      env: { COFFER_DATA: data, ...env },
      input,
    })
  }

  /** The same in this process: several commands in a test take a moment, not a minute. */
  async function coffer(
    parameters: string[],
    input = '',
    environment: Record<string, string> = {},
  ): Promise<Outcome> {
    const output: string[] = []
    let status = 0
    const program = createProgram(
      (flags) => ({
        config: () => configuration(data, { environment, flags: flags() }),
        clock: () => new Date(),
        uid: undefined,
        readInput: async () => input,
        print: (line) => output.push(line),
        fail: (given) => {
          status = given
        },
      }),
      { onStop: () => {}, onReload: () => {} },
      '0',
    )
    for (const command of [
      program,
      ...program.commands.flatMap((each) => [each, ...each.commands]),
    ]) {
      command.exitOverride().configureOutput({ writeErr: () => {} })
    }
    const failed = (error: Error) => ({
      status: 1,
      stdout: output.join('\n'),
      stderr: error.message,
    })
    const done = () => ({ status, stdout: output.join('\n'), stderr: '' })
    return program.parseAsync(parameters, { from: 'user' }).then(done, failed)
  }

  it('administers beside a running server, at once', async () => {
    const site: Running = await startSite({ data })
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
    await coffer(['user', 'add', 'peter', '--password-stdin'], 'password of peter')
    const site = await startSite({ data })
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
    const site = await startSite({ data })
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
    const site = await startSite({ data })
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
    const database = new Database(join(data, 'coffer.db'))
    const { changes } = database.prepare('UPDATE inodes SET nlink = nlink + 1').run()
    database.close()
    expect(changes).to.be.above(0)
    const broken = await coffer(['fsck'])
    expect(broken.status).to.equal(1)
    expect(broken.stdout).to.contain('fsck --repair')
    expect((await coffer(['fsck', '--repair'])).status).to.equal(0)
    expect((await coffer(['fsck'])).stdout).to.equal('Everything agrees.')
  })

  it('takes in a plain tree, backs up while serving, restores, and gives the tree back', async () => {
    const tree = join(parent, 'tree')
    mkdirSync(join(tree, 'folder'), { recursive: true })
    writeFileSync(join(tree, 'folder', 'file'), 'some content')
    await coffer(['user', 'add', 'nora', '--password-stdin'], 'password of nora')
    const imported = await coffer(['import', 'nora', tree, '--into', '/'])
    expect(imported.stdout, imported.stderr).to.contain('skipped 0')

    const port = { COFFER_PORT: String(await ownPort()) }
    const site = await startSite({ data, environment: port })
    const { access_token, refresh_token = '' } = await site.tokens('nora', 'password of nora')
    expect((await coffer(['export', 'nora', join(parent, 'out')])).stderr).to.contain('in use by')
    const backedUp = await coffer(['backup', join(parent, 'backup')])
    expect(backedUp.stdout, backedUp.stderr).to.match(/Backed up \d+ contents/)
    const verified = await coffer(['backup', '--verify', join(parent, 'backup')])
    expect([verified.status, verified.stdout], verified.stderr).to.deep.equal([
      0,
      backedUp.stdout.replace(/, \d+ of them/, ', 0 of them'),
    ])
    await site.stop()

    const restored = join(parent, 'restored')
    const again = { COFFER_DATA: restored }
    const outcomeOfRestore = await coffer(['restore', join(parent, 'backup')], '', again)
    expect(outcomeOfRestore.stdout, outcomeOfRestore.stderr).to.contain('Everything agrees.')
    expect((await coffer(['restore', join(parent, 'backup')], '', again)).stderr).to.contain(
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

    const exported = await coffer(['export', 'nora', join(parent, 'out')], '', again)
    expect(exported.status, exported.stderr).to.equal(0)
    for (const [parameters, why] of [
      [[join(restored, 'content', 'x')], 'is in the data directory'],
      [[join(parent, 'none'), '--from', '/folder/file'], '--from must name a folder'],
    ] as const) {
      const { status, stderr } = await coffer(['export', 'nora', ...parameters], '', again)
      expect(status).to.equal(1)
      expect(stderr).to.contain(why)
    }
    expect(existsSync(join(parent, 'none'))).to.equal(false)
    const out = join(parent, 'out', 'folder', 'file')
    expect(readFileSync(out, 'utf8')).to.equal('some content')

    writeFileSync(out, 'something of my own')
    const refused = await coffer(['export', 'nora', join(parent, 'out')], '', again)
    expect(refused.stderr).to.contain('is not empty: it has "folder"').and.contain('--overwrite')
    expect(readFileSync(out, 'utf8')).to.equal('something of my own')
    await coffer(['export', 'nora', join(parent, 'out'), '--overwrite'], '', again)
    expect(readFileSync(out, 'utf8')).to.equal('some content')
  })

  it('makes no data directory where a command about one is sent by mistake', async () => {
    const [missing, other] = [join(parent, 'dtaa'), join(parent, 'other')]
    mkdirSync(other, { mode: 0o755 })
    const commands = [
      ['user', 'add', 'anna'],
      ['client', 'list'],
      ['key', 'list'],
      ['audit', 'verify'],
      ['fsck'],
      ['backup', join(parent, 'backup')],
      ['export', 'anna', join(parent, 'out')],
    ]
    for (const command of commands) {
      for (const place of [missing, other]) {
        const { status, stderr } = await coffer(command, '', { COFFER_DATA: place })
        expect(status, command.join(' ')).to.equal(1)
        expect(stderr)
          .to.contain(`no data directory at ${place}`)
          .and.contain('COFFER_DATA or --data')
          .and.contain('coffer-server serve')
      }
    }
    expect(readdirSync(parent).sort()).to.deep.equal(['data', 'other'])
    expect(readdirSync(other)).to.deep.equal([])
    expect(statSync(other).mode & 0o777).to.equal(0o755)
  }).timeout(60_000)

  it('says so where its output cannot be written, and where there is no tar(1)', async () => {
    const list = [process.execPath, ...program('server'), 'user', 'list'].map((word) => `'${word}'`)
    const full = await outcome('sh', ['-c', `${list.join(' ')} > /dev/full`], {
      cwd: root,
      env: { COFFER_DATA: data },
    })
    expect([full.status, full.stderr.trim()]).to.deep.equal([
      1,
      'coffer-server: what it says cannot be written: ENOSPC: no space left on device, write',
    ])
    await coffer(['user', 'add', 'anna'])
    for (const command of ['import', 'export']) {
      const env = { PATH: parent }
      const { status, stderr } = await spawned([command, 'anna', join(parent, 'tree')], '', env)
      expect([status, stderr.trim()]).to.deep.equal([
        1,
        'coffer-server: tar(1) is needed for this, and is not there: install it first',
      ])
    }
  }).timeout(60_000)

  it('says so where no directory can be made', async () => {
    for (const command of [
      ['backup', '/proc/nothing'],
      ['serve', '--data', '/proc/nothing'],
    ]) {
      const { status, stderr } = await outcome(
        process.execPath,
        [...program('server'), ...command],
        { cwd: root, env: { COFFER_DATA: data }, timeoutMilliseconds: 60_000 },
      )
      expect(status, command.join(' ')).to.equal(1)
      expect(stderr).to.contain('/proc/nothing')
    }
  }).timeout(130_000)

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
    const site = await startSite({ data })
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
    await coffer(['user', 'disable', 'maria'])
    const { default: Database } = await import('better-sqlite3')
    const database = new Database(join(data, 'coffer.db'))
    database.exec("UPDATE audit SET address = '192.0.2.1' WHERE number = 2")
    database.close()
    const verified = await spawned(['audit', 'verify'])
    expect(verified.status).to.equal(1)
    expect(verified.stdout).to.contain('entry 2')
  }).timeout(60_000)

  const badOptions: [parameters: string[], says: RegExp][] = [
    [['audit', 'list', '--limit', '0'], /--limit <number>.* from 1 to 1000000/],
    [['audit', 'list', '--since', 'noon'], /--since <time>.*a date such as 2026-11-23/],
    [['client', 'add', '--type', 'app'], /--type <type>.*choices are native, web/],
    [['client', 'add', '--auth', 'key'], /--auth <method>.*choices are none, client_secret_basic/],
    [['client', 'add', '--grant', 'password'], /--grant <type>.*choices are authorization_code/],
    [['client', 'add', '--grant', 'client_credentials', '--scope', 'all'], /scope: .* file.read/],
    [['client', 'add', 'x'], /redirect_uris \(--redirect-uri\): .* needs at least one/],
    [
      ['client', 'add', '--auth', 'private_key_jwt', '--grant', 'client_credentials'],
      /jwks \(--metadata\)/,
    ],
    [['client', 'add', '--metadata'], /--metadata must be .* JSON/],
    [['user', 'quota', 'maria', '--files', '1.5'], /--files must be a whole number/],
    [['import', 'maria', '.', '--into', '/no/where'], /--into must name a folder.*"\/no\/where"/],
    [['export', 'maria', 'out', '--from', '..'], /--from must name a folder.*"\.\."/],
  ]
  it('names the option of which it does not take what it is given, and says what it takes', async () => {
    await coffer(['user', 'add', 'maria'])
    for (const [parameters, says] of badOptions) {
      const { status, stderr } = await coffer(parameters, '{')
      expect(status, parameters.join(' ')).to.equal(1)
      expect(stderr).to.match(says)
    }
  }).timeout(60_000)

  const mistakes: [title: string, parameters: string[], env: NodeJS.ProcessEnv, says: RegExp][] = [
    ['an unknown command', ['sevre'], {}, /unknown command 'sevre'\n.*coffer-server --help/],
    ['a missing name', ['user', 'add'], {}, /missing .* 'username'\n.*coffer-server --help/],
    [
      'a directory in place of the secret',
      ['user', 'list'],
      { COFFER_SECRET_FILE: '.' },
      /COFFER_SECRET_FILE must name a file, not the directory/,
    ],
    ['an unknown account', ['user', 'disable', 'nobody'], {}, /no account nobody.*user list/],
    ['a taken user name', ['user', 'add', 'maria'], {}, /maria is taken/],
    ['a bad user name', ['user', 'add', '../x'], {}, /a user name has/],
    [
      'a bad redirect URI',
      ['client', 'add', 'x', '--redirect-uri', 'http://a.example'],
      {},
      /redirect URI http:\/\/a.example must be https/,
    ],
    ['a bad moment', ['audit', 'list', '--since', 'noon'], {}, /must be a date/],
    [
      'several bad settings',
      [],
      { COFFER_PORT: 'x', COFFER_ISSUER: 'y' },
      /COFFER_PORT must.*\n.*COFFER_ISSUER must/,
    ],
  ]
  for (const [title, parameters, env, says] of mistakes) {
    it(`says what to do about ${title}, without a stack trace`, async () => {
      await coffer(['user', 'add', 'maria'])
      const { status, stderr } = await spawned(parameters, '', env)
      expect(status).to.equal(1)
      expect(stderr)
        .to.match(says)
        .and.not.match(/\n {4}at /)
    }).timeout(60_000)
  }

  it('says what to do about a host without an address, without a stack trace', async () => {
    const environment = { COFFER_DATA: join(parent, 'nowhere') }
    const { status, stderr } = await spawned(['--host', 'no-such-host.invalid'], '', environment)
    expect(status).to.equal(1)
    expect(stderr)
      .to.match(/cannot listen on no-such-host.invalid.* with --host or COFFER_HOST/)
      .and.not.match(/\n {4}at /)
  }).timeout(60_000)

  it('does nothing without the secret of the server, which it would break', async () => {
    const environment = { COFFER_SECRET: 'a secret of forty characters, or some more' }
    await (await startSite({ data, environment })).stop()
    const added = ['user', 'add', 'peter', '--password-stdin']
    for (const command of [added, ['key', 'rotate'], ['backup', join(parent, 'backup')]]) {
      for (const secret of ['', 'another secret of forty characters, or more']) {
        const { status, stderr } = await coffer(command, 'password of peter', {
          COFFER_SECRET: secret,
        })
        expect(status, command.join(' ')).to.equal(1)
        expect(stderr).to.contain('the secret is not the one').and.contain('COFFER_SECRET_FILE')
      }
    }
    expect(readdirSync(parent)).to.deep.equal(['data'])
    expect(readdirSync(data)).to.not.include('secret')
    expect((await coffer(added, 'password of peter', environment)).status).to.equal(0)
    expect((await coffer(['backup', join(parent, 'backup')], '', environment)).status).to.equal(0)
    expect((await coffer(['audit', 'verify'], '', environment)).stdout).to.contain('is whole')

    const restored = { COFFER_DATA: join(parent, 'restored') }
    const { status, stdout } = await coffer(['restore', join(parent, 'backup')], '', restored)
    expect(status).to.equal(0)
    expect(stdout).to.contain('Everything agrees').and.contain('The audit log does not say so')
    const verified = await coffer(['audit', 'verify'], '', { ...restored, ...environment })
    expect(verified.stdout).to.contain('is whole')
  })

  it('takes no name that would pass for another line, and no address that is none', async () => {
    for (const parameters of [
      ['--name', 'Eve\nadmin  Administrator'],
      ['--name', 'Eve\u001b[2K'],
      ['--name', 'n'.repeat(201)],
      ['--email', 'eve'],
      ['--email', 'eve@example.org\n'.repeat(2)],
    ]) {
      const { status, stderr } = await coffer(['user', 'add', 'eve', ...parameters])
      expect(status, parameters[1]).to.equal(1)
      expect(stderr).to.match(/^an? (?:name|e-mail address) /)
    }
    const named = ['--name', 'Åsa  Öberg', '--email', 'åsa@example.org']
    expect((await coffer(['user', 'add', 'asa', ...named])).status).to.equal(0)
    expect((await coffer(['user', 'list'])).stdout).to.contain('Åsa  Öberg')
  })

  it('says that there is no such account to list what happened to', async () => {
    await coffer(['user', 'add', 'anna'])
    const listed = await coffer(['audit', 'list', '--user', 'ANNA'])
    const { user } = JSON.parse(listed.stdout)
    expect(user).to.equal('anna')
    const unknown = await coffer(['audit', 'list', '--user', 'anne'])
    expect([unknown.status, unknown.stdout]).to.deep.equal([1, ''])
    expect(unknown.stderr).to.contain('there is no account anne')
  })

  it('does not take a password that is too short', async () => {
    const { status, stderr } = await spawned(
      ['user', 'add', 'peter', '--password-stdin'],
      'short\n',
    )
    expect(status).to.equal(1)
    expect(stderr).to.contain('8 to 1024').and.not.contain('short')
  }).timeout(60_000)

  it('takes no secret from a file that others may read', async () => {
    const file = join(parent, 'c.json')
    writeFileSync(file, '{ "adminPassword": "correct horse battery" }')
    chmodSync(file, 0o644)
    const { status, stderr } = await spawned(['user', 'list'], '', { COFFER_CONFIG: file })
    expect(status).to.equal(1)
    expect(stderr).to.contain(`chmod 600 ${file}`).and.not.contain('correct horse')
  }).timeout(60_000)

  it('will not start when its secret can be read by others', async () => {
    await coffer(['user', 'list'])
    chmodSync(join(data, 'secret'), 0o644)
    const { status, stderr } = await spawned(['user', 'list'])
    expect(status).to.equal(1)
    expect(stderr).to.contain('chmod 600')
  }).timeout(60_000)
})
