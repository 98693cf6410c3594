import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { databaseFile } from '../../../server/data-directory.js'
import { lockDataDirectory } from '../../../server/database/lock.js'
import { MIGRATIONS } from '../../../server/database/migrations.js'
import { outcome, root } from '../../support/process.js'
import { program } from '../../support/program.js'
import { startSite } from '../running.js'
import { commandLine } from './command-line.js'

describe('coffer-server that is asked for what is wrong', () => {
  const place = commandLine()
  const { coffer, spawned } = place

  it('makes no data directory where a command about one is sent by mistake', async () => {
    const [missing, other] = [join(place.parent, 'dtaa'), join(place.parent, 'other')]
    mkdirSync(other, { mode: 0o755 })
    const commands = [
      ['user', 'add', 'anna'],
      ['client', 'list'],
      ['key', 'list'],
      ['audit', 'verify'],
      ['fsck'],
      ['backup', join(place.parent, 'backup')],
      ['export', 'anna', join(place.parent, 'out')],
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
    expect(readdirSync(place.parent).sort()).to.deep.equal(['data', 'other'])
    expect(readdirSync(other)).to.deep.equal([])
    expect(statSync(other).mode & 0o777).to.equal(0o755)
  }).timeout(60_000)

  it('leaves alone what a server of an older version serves', async () => {
    const path = databaseFile(place.data)
    const older = MIGRATIONS.length - 1
    rmSync(path)
    const made = new BetterSqlite3(path)
    for (const sql of MIGRATIONS.slice(0, older)) made.exec(sql)
    made.pragma(`user_version = ${older}`)
    made.close()
    const version = () => {
      const database = new BetterSqlite3(path, { readonly: true })
      const found = database.pragma('user_version', { simple: true })
      database.close()
      return found
    }
    const lock = lockDataDirectory(place.data)
    for (const command of [['user', 'list'], ['fsck'], ['backup', join(place.parent, 'backup')]]) {
      const { status, stderr } = await coffer(command)
      expect(status, command.join(' ')).to.equal(1)
      expect(stderr).to.contain('older version of coffer-server').and.contain('stop that server')
    }
    expect(version()).to.equal(older)
    lock.release()
    expect((await coffer(['user', 'list'])).status).to.equal(0)
    expect(version()).to.equal(MIGRATIONS.length)
  })

  it('says so where its output cannot be written, and where there is no tar(1)', async () => {
    const list = [process.execPath, ...program('server'), 'user', 'list'].map((word) => `'${word}'`)
    const full = await outcome('sh', ['-c', `${list.join(' ')} > /dev/full`], {
      cwd: root,
      env: { COFFER_DATA: place.data },
    })
    expect([full.status, full.stderr.trim()]).to.deep.equal([
      1,
      'coffer-server: what it says cannot be written: ENOSPC: no space left on device, write',
    ])
    await coffer(['user', 'add', 'anna'])
    for (const command of ['import', 'export']) {
      const env = { PATH: place.parent }
      const { status, stderr } = await spawned(
        [command, 'anna', join(place.parent, 'tree')],
        '',
        env,
      )
      expect([status, stderr.trim()]).to.deep.equal([
        1,
        'coffer-server: tar(1) is needed for this, and is not there: install it first',
      ])
    }
  }).timeout(60_000)

  it('takes in no tree that has the data directory in it, or lies in that', async () => {
    await coffer(['user', 'add', 'anna'])
    for (const from of [place.parent, place.data, join(place.data, 'tls')]) {
      const { status, stderr } = await coffer(['import', 'anna', from])
      expect(status, from).to.equal(1)
      expect(stderr).to.contain('data directory').and.contain('would be imported, too')
    }
    expect((await coffer(['user', 'quota', 'anna'])).stdout).to.contain(' 0 bytes and 1 files')
  })

  it('says so where no directory can be made', async () => {
    for (const [expected, ...command] of [
      [1, 'backup', '/proc/nothing'],
      [78, 'serve', '--data', '/proc/nothing'],
    ] as const) {
      const { status, stderr } = await outcome(
        process.execPath,
        [...program('server'), ...command],
        { cwd: root, env: { COFFER_DATA: place.data }, timeoutMilliseconds: 60_000 },
      )
      expect(status, command.join(' ')).to.equal(expected)
      expect(stderr).to.contain('/proc/nothing')
    }
  }).timeout(130_000)

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
      expect(status).to.equal(stderr.includes('the configuration is not usable') ? 78 : 1)
      expect(stderr)
        .to.match(says)
        .and.not.match(/\n {4}at /)
    }).timeout(60_000)
  }

  it('says what to do about a host without an address, without a stack trace', async () => {
    const environment = { COFFER_DATA: join(place.parent, 'nowhere') }
    const { status, stderr } = await spawned(['--host', 'no-such-host.invalid'], '', environment)
    expect(status).to.equal(1)
    expect(stderr)
      .to.match(/cannot listen on no-such-host.invalid.* with --host or COFFER_HOST/)
      .and.not.match(/\n {4}at /)
  }).timeout(60_000)

  it('does nothing without the secret of the server, which it would break', async () => {
    const environment = { COFFER_SECRET: 'a secret of forty characters, or some more' }
    await (await startSite({ data: place.data, environment })).stop()
    const added = ['user', 'add', 'peter', '--password-stdin']
    for (const command of [added, ['key', 'rotate'], ['backup', join(place.parent, 'backup')]]) {
      for (const secret of ['', 'another secret of forty characters, or more']) {
        const { status, stderr } = await coffer(command, 'password of peter', {
          COFFER_SECRET: secret,
        })
        expect(status, command.join(' ')).to.equal(1)
        expect(stderr).to.contain('the secret is not the one').and.contain('COFFER_SECRET_FILE')
      }
    }
    expect(readdirSync(place.parent)).to.deep.equal(['data'])
    expect(readdirSync(place.data)).to.not.include('secret')
    expect((await coffer(added, 'password of peter', environment)).status).to.equal(0)
    expect(
      (await coffer(['backup', join(place.parent, 'backup')], '', environment)).status,
    ).to.equal(0)
    expect((await coffer(['audit', 'verify'], '', environment)).stdout).to.contain('is whole')

    const restored = { COFFER_DATA: join(place.parent, 'restored') }
    const { status, stdout } = await coffer(['restore', join(place.parent, 'backup')], '', restored)
    expect(status).to.equal(0)
    expect(stdout).to.contain('Everything agrees').and.contain('The audit log does not say so')
    const verified = await coffer(['audit', 'verify'], '', { ...restored, ...environment })
    expect(verified.stdout).to.contain('is whole')
  })

  it('leaves one account that may sign in', async () => {
    await coffer(['user', 'add', 'anna'])
    await coffer(['user', 'add', 'maria'])
    const remove = (name: string) => coffer(['user', 'remove', name, '--delete-files'])
    expect((await coffer(['user', 'disable', 'anna'])).status).to.equal(0)
    for (const refused of [await coffer(['user', 'disable', 'maria']), await remove('maria')]) {
      expect(refused.status).to.equal(1)
      expect(refused.stderr)
        .to.contain('nobody but maria may sign in')
        .and.contain('user add')
        .and.contain('user passwd maria')
    }
    expect((await coffer(['user', 'list'])).stdout).to.match(/^maria +active /m)
    expect((await remove('anna')).status).to.equal(0)
    expect((await remove('maria')).status).to.equal(1)
    await coffer(['user', 'add', 'peter'])
    expect((await remove('maria')).status).to.equal(0)
  }).timeout(60_000)

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
    const file = join(place.parent, 'c.json')
    writeFileSync(file, '{ "adminPassword": "correct horse battery" }')
    chmodSync(file, 0o644)
    const { status, stderr } = await spawned(['user', 'list'], '', { COFFER_CONFIG: file })
    expect(status).to.equal(78)
    expect(stderr).to.contain(`chmod 600 ${file}`).and.not.contain('correct horse')
  }).timeout(60_000)

  it('will not start when its secret can be read by others', async () => {
    await coffer(['user', 'list'])
    chmodSync(join(place.data, 'secret'), 0o644)
    const { status, stderr } = await spawned(['user', 'list'])
    expect(status).to.equal(1)
    expect(stderr).to.contain('chmod 600')
  }).timeout(60_000)
})
