import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { ownPort } from '../../support/own-port.js'
import { outcome, start } from '../../support/process.js'
import { program } from '../../support/program.js'
import { requires } from '../../support/requires.js'
import { until } from '../../support/until.js'

const server = [process.execPath, ...program('server')] as const

/** What says nothing to this server of a setting of the one who tests. */
const NOTHING = { COFFER_DATA: '', XDG_DATA_HOME: '' }

describe('coffer-server unit', function () {
  this.timeout(60_000)
  let home: string
  beforeEach(async () => {
    home = await temporaryDirectory('unit')
  })
  afterEach(() => removeDirectory(home))

  const [node, ...given] = server
  const printed = (parameters: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    outcome(node, [...given, ...parameters], { cwd: home, env: { HOME: home, ...NOTHING, ...env } })

  async function unit(parameters: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const { status, stdout, stderr } = await printed(parameters, env)
    expect([status, stderr]).to.deep.equal([0, ''])
    return stdout
  }

  const valuesOf = (text: string, name: string) =>
    [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value)

  it('starts the server with the settings of the command line and the environment, wherever it starts', async () => {
    await writeFile(join(home, 'c.json'), '{ "data": "d", "registration": "open" }')
    const text = await unit(['--config', 'c.json', '--port', '9443', 'unit'], {
      COFFER_ISSUER: 'https://files.example.org',
      COFFER_SECRET_FILE: 's',
      COFFER_ADMIN_PASSWORD: 'correct horse battery',
    })
    const flags = `"--config" "${home}/c.json" "--data" "${home}/d" "--port" "9443" "--issuer" "https://files.example.org" "--secret-file" "${home}/s"`
    const command = server.map((word) => `"${word}"`).join(' ')
    expect(valuesOf(text, 'ExecStart')).to.deep.equal([`${command} ${flags} serve`])
    expect(text).not.to.include('correct horse')
  })

  it('puts no secret where everybody may read it', async () => {
    const { status, stdout, stderr } = await printed(['unit'], { COFFER_SECRET: 'x'.repeat(32) })
    expect([status, stdout]).to.deep.equal([78, ''])
    expect(stderr).to.include('COFFER_SECRET_FILE').and.not.include('xxx')
  })

  it('waits as long for the end as the server does, and for the process that hashes until then', async () => {
    const text = await unit(['--shutdown-grace', '100', 'unit'])
    expect(valuesOf(text, 'TimeoutStopSec')).to.deep.equal(['130'])
    expect(valuesOf(text, 'KillMode')).to.deep.equal(['mixed'])
  })

  it('does not start it again where the configuration must be changed first', async () => {
    const { status } = await printed(['--port', 'none'])
    expect(valuesOf(await unit(['unit']), 'RestartPreventExitStatus')).to.deep.equal([`${status}`])
    expect(status).not.to.equal(1)
  })

  describe('--system', () => {
    it('keeps the data below /var/lib, and writes nowhere else', async () => {
      const text = await unit(['unit', '--system'])
      expect(text).to.include('"--data" "/var/lib/coffer" serve\n')
      expect(valuesOf(text, 'StateDirectory')).to.deep.equal(['coffer'])
      expect(valuesOf(text, 'ReadWritePaths')).to.deep.equal([])
      expect(valuesOf(text, 'CapabilityBoundingSet')).to.deep.equal([''])
      const elsewhere = await unit(['--data', '/srv/my "50%"', 'unit', '--system'])
      expect(valuesOf(elsewhere, 'StateDirectory')).to.deep.equal([])
      for (const name of ['ReadWritePaths', 'RequiresMountsFor']) {
        expect(valuesOf(elsewhere, name)).to.deep.equal(['"/srv/my \\"50%%\\""'])
      }
    })

    it('hands on a secret that root alone can read', async () => {
      const text = await unit(['--secret-file', '/etc/my 50%', 'unit', '--system'])
      expect(valuesOf(text, 'LoadCredential')).to.deep.equal(['secret:/etc/my 50%%'])
      // biome-ignore lint/suspicious/noTemplateCurlyInString: systemd expands it
      expect(text).to.include(' --secret-file ${CREDENTIALS_DIRECTORY}/secret serve\n')
      expect(text).not.to.include('"--secret-file"')
    })

    it('leaves homes in sight where something is in one, and lets it listen on a port of root', async () => {
      const text = await unit(['--data', '/home/ada/d', '--port', '443', 'unit', '--system'])
      expect(valuesOf(text, 'ProtectHome')).to.deep.equal(['read-only'])
      for (const name of ['AmbientCapabilities', 'CapabilityBoundingSet']) {
        expect(valuesOf(text, name)).to.deep.equal(['CAP_NET_BIND_SERVICE'])
      }
    })

    it('refuses a place that no unit can name', async () => {
      const { status, stderr } = await printed(['--data', '/srv/a\nb', 'unit', '--system'])
      expect(status).to.equal(78)
      expect(stderr).to.include('"/srv/a\\nb"')
    })
  })

  describe('as systemd sees it', () => {
    before(function () {
      requires(this, 'systemd-analyze')
    })

    const odd = ['--data', '/srv/my "50%" $x\\', '--secret-file', '/etc/my 50%']
    for (const [manager, parameters] of [
      ['user', []],
      ['system', ['--system']],
    ] as const) {
      it(`is a unit for its ${manager} manager, with odd paths, too`, async () => {
        const file = join(home, 'coffer.service')
        await writeFile(file, await unit([...odd, 'unit', ...parameters]))
        const verify = ['verify', `--${manager}`, '--recursive-errors=no', file]
        const env = { XDG_RUNTIME_DIR: home }
        const { status, stderr } = await outcome('systemd-analyze', verify, { env })
        expect([status, stderr.split('\n').filter((line) => line.includes(file))]).to.deep.equal([
          0,
          [],
        ])
      })
    }
  })

  it('starts, by its ExecStart, a server that answers, and tells systemd so', async () => {
    const data = join(home, 'my $x')
    const port = await ownPort()
    await mkdir(join(home, 'bin'))
    const told = join(home, 'told')
    await writeFile(
      join(home, 'bin', 'systemd-notify'),
      `#!/bin/sh\necho "$@" > '${told}.new' && mv '${told}.new' '${told}'\n`,
      {
        mode: 0o755,
      },
    )
    const text = await unit(['--data', data, '--port', String(port), 'unit'])
    // A shell reads such a line as systemd does, but for "$".
    const command = valuesOf(text, 'ExecStart')[0]?.replaceAll('$$', '\\$') ?? ''
    const running = start('sh', ['-c', `exec ${command}`], {
      cwd: '/',
      env: {
        ...NOTHING,
        NOTIFY_SOCKET: join(home, 'socket'),
        PATH: `${join(home, 'bin')}:${process.env.PATH}`,
      },
    })
    try {
      await running.printed(/Coffer is serving/)
      const ca = await readFile(join(data, 'tls', 'ca.pem'))
      const url = `https://localhost:${port}/.well-known/openid-configuration`
      const status = await new Promise((resolve, reject) =>
        get(url, { ca, agent: false }, (answer) => resolve(answer.resume().statusCode)).on(
          'error',
          reject,
        ),
      )
      expect(status).to.equal(200)
      const note = () => readFile(told, 'utf8').catch(() => undefined)
      expect(await until('systemd is told', note)).to.equal('--ready\n')
    } finally {
      await running.stop()
    }
    expect(running.log()).to.include('Coffer has stopped.')
  })
})
