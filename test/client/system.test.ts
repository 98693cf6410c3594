import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { CommandError } from '../../client/command-error.js'
import { systemdUnit } from '../../client/commands/systemd-unit.js'
import { mountHelperArguments } from '../../client/mount-helper.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { outcome, root } from '../support/process.js'
import { program } from '../support/program.js'

const START = ['mount', '--no-login', '--wait', '60']

describe('mount.coffer, the helper of mount(8)', () => {
  const cases: [parameters: string[], expected: string[]][] = [
    [
      ['https://a', '/mnt'],
      [...START, 'https://a', '/mnt'],
    ],
    [
      [
        'https://a',
        '/mnt',
        '-s',
        '-n',
        '-t',
        'coffer',
        '-o',
        'rw,_netdev,nofail,noauto,x-gvfs-hide',
      ],
      [...START, 'https://a', '/mnt'],
    ],
    [
      ['https://a', '/mnt', '-o', 'ro,allow_other,uid=1000,gid=100,remote=/a=b,limit_rate=1M:'],
      [
        ...START,
        ...['--read-only', '--allow-other', '--uid', '1000', '--gid', '100'],
        ...['--remote', '/a=b', '--limit-rate', '1M:'],
        ...['https://a', '/mnt'],
      ],
    ],
    [
      ['https://a', '/mnt', '-o', 'write_back,write_back_size=2G,cache_dir=/var/c,cache_size=20G'],
      [
        ...START,
        ...['--write-back', '--write-back-size', '2G', '--cache-dir', '/var/c'],
        ...['--cache-size', '20G', 'https://a', '/mnt'],
      ],
    ],
    [
      ['https://a', '/mnt', '-N', '/n', '-o', 'umask=077,locks=local,ca=/c,fingerprint=f,log=/l'],
      [
        ...START,
        ...['--umask', '077', '--locks', 'local', '--ca', '/c', '--fingerprint', 'f'],
        ...['--log', '/l', 'https://a', '/mnt'],
      ],
    ],
    [
      ['https://a', '/mnt', '-o', 'silent,nomand,nolazytime,nostrictatime,default_permissions'],
      [...START, 'https://a', '/mnt'],
    ],
    [
      // of an option that is there twice the command takes the last
      ['https://a', '/mnt', '-o', 'wait=9'],
      [...START, '--wait', '9', 'https://a', '/mnt'],
    ],
    [
      ['https://a', '/mnt', '-o', 'rw,noexec,nosuid,nodev,noexec,user'],
      [...START, '--no-exec', 'https://a', '/mnt'],
    ],
    [
      ['https://a', '/mnt', '-o', 'noexec,user,exec'],
      [...START, 'https://a', '/mnt'],
    ],
  ]
  for (const [parameters, expected] of cases) {
    it(`understands ${parameters.join(' ')}`, () => {
      expect(mountHelperArguments(parameters)).to.deep.equal(expected)
    })
  }

  const refused: [option: string, why: string][] = [
    ['nonsense', 'does not know the option "nonsense"'],
    ['uid', 'the option "uid" of mount.coffer goes with a value: uid=…'],
    ['ro=1', 'the option "ro=1" of mount.coffer goes without a value'],
    ['allow_others', 'does not know the option "allow_others"'],
    ['nosymfollow', 'does not know the option "nosymfollow"'],
  ]
  for (const [option, why] of refused) {
    it(`refuses the option ${option}, and says why`, () => {
      const given = () => mountHelperArguments(['https://a', '/mnt', '-o', option])
      expect(given).to.throw(CommandError, why)
    })
  }

  it('says that options cannot be changed by remounting', () => {
    const remount = () => mountHelperArguments(['https://a', '/mnt', '-o', 'remount,ro'])
    expect(remount).to.throw(CommandError, 'unmount it, and mount it anew')
  })

  it('does nothing when mount(8) only pretends (-f)', () => {
    expect(mountHelperArguments(['https://a', '/mnt', '-fv', '-o', 'ro'])).to.equal('nothing')
  })

  it('is this program under another name', async () => {
    const directory = await temporaryDirectory('helper')
    try {
      const command = join(directory, 'mount.coffer')
      const parameters = program('client')
      await symlink(parameters.pop() ?? '', command)
      const point = join(directory, 'point')
      await mkdir(point)
      const { status, stderr } = await outcome(
        process.execPath,
        [...parameters, command, 'https://localhost:9', point],
        { cwd: root, env: { HOME: directory } },
      )
      expect(status).to.equal(1)
      expect(stderr).to.include('coffer login https://localhost:9')
    } finally {
      await removeDirectory(directory)
    }
  })
})

describe('what coffer cannot do before somebody logs in', () => {
  it('has a status of its own, with which a unit does not try it again', async () => {
    const directory = await temporaryDirectory('no-login')
    try {
      const point = join(directory, 'point')
      await mkdir(point)
      const parameters = ['mount', '--foreground', '--no-login', 'https://localhost:9', point]
      const { status, stderr } = await outcome(
        process.execPath,
        [...program('client'), ...parameters],
        { cwd: root, env: { HOME: directory } },
      )
      expect(stderr).to.include('coffer login https://localhost:9')
      const unit = systemdUnit(['/usr/bin/coffer'], 'https://a', '/mnt', {})
      expect(unit).to.match(new RegExp(`^RestartPreventExitStatus=${status}$`, 'm'))
      expect(status).not.to.equal(1)
    } finally {
      await removeDirectory(directory)
    }
  })
})

describe('what coffer cannot use', () => {
  let home: string
  beforeEach(async () => {
    home = await temporaryDirectory('odd')
  })
  afterEach(() => removeDirectory(home))

  const run = (parameters: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    outcome(process.execPath, [...program('client'), ...parameters], {
      env: { HOME: home, ...env },
    })

  it('is a working directory that is gone, for relative names alone', async () => {
    const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    const inGone = (...parameters: string[]) => {
      const given = ['-c', script, 'bash', process.execPath, ...program('client'), ...parameters]
      return outcome('bash', given, { cwd: home, env: { HOME: home } })
    }
    expect((await inGone('status')).stderr).to.equal('')
    expect((await inGone('unmount', '/mnt')).stderr).to.include('Nothing is mounted on /mnt')
    const { status, stderr } = await inGone('unmount', 'files')
    expect(status).to.equal(1)
    expect(stderr).to.match(/^coffer: the directory that you are in .* cd\n$/)
  })

  it('is a place that is no directory: it says which, and what names another', async () => {
    await writeFile(join(home, 'file'), '')
    for (const [name, command] of [
      ['COFFER_STATE_DIR', 'list'],
      ['COFFER_STATE_DIR', 'status'],
      ['COFFER_CONFIG_DIR', 'status'],
    ] as const) {
      const { status, stderr } = await run([command], { [name]: join(home, 'file') })
      expect(status, command).to.equal(1)
      expect(stderr).to.match(
        /^coffer: ENOTDIR: .*file.*COFFER_CONFIG_DIR and COFFER_STATE_DIR.*\n$/,
      )
    }
  })
})

describe('coffer unmount', () => {
  it('takes away no mount but those of Coffer, also as root', async () => {
    const parameters = [...program('client'), 'unmount', '/proc']
    const { status, stderr } = await outcome(process.execPath, parameters)
    expect(status).to.equal(1)
    expect(stderr).to.include("What is mounted on /proc is not Coffer's (proc)")
  })
})

describe('what coffer prints', () => {
  it('fails where it cannot be written', async () => {
    const parameters = [process.execPath, ...program('client'), 'completion', 'bash']
    const given = ['-c', '"$@" > /dev/full', 'bash', ...parameters]
    const { status, stderr } = await outcome('bash', given)
    expect(status).to.equal(1)
    expect(stderr).to.include('cannot be written: ENOSPC')
  })

  it('may be read in part: it ends quietly when its reader has gone', async () => {
    const home = await temporaryDirectory('reader')
    try {
      const script = 'set -o pipefail; "$@" | head -1'
      const parameters = [process.execPath, ...program('client'), 'status', '--watch', '--json']
      const { status, stdout, stderr } = await outcome(
        'bash',
        ['-c', script, 'bash', ...parameters],
        {
          env: { HOME: home },
        },
      )
      expect(stderr).to.equal('')
      expect(status).to.equal(0)
      expect(stdout).to.match(/^{"mounts":.*}\n$/)
    } finally {
      await removeDirectory(home)
    }
  })
})

describe('coffer unit', () => {
  it('finds logins where whoever asks for it has them', async () => {
    const parameters = [...program('client'), 'unit', 'https://a', '/mnt']
    const env = { COFFER_CA: 'ca.pem', COFFER_STATE_DIR: '/s', COFFER_CONFIG_DIR: '', HOME: '/h' }
    const { stdout } = await outcome(process.execPath, parameters, { cwd: '/tmp', env })
    expect(stdout.match(/^Environment=.*COFFER.*$/gm)).to.deep.equal([
      'Environment="COFFER_CA=/tmp/ca.pem"',
      'Environment="COFFER_STATE_DIR=/s"',
    ])
  })

  it('waits by itself for a network, of which the user manager knows nothing', () => {
    const unit = systemdUnit(['/usr/bin/coffer'], 'https://a', '/mnt', {})
    expect(unit).not.to.match(/network.*\.target/)
    expect(unit)
      .to.match(/"--wait" "60"/)
      .and.match(/^Restart=on-failure$/m)
  })

  it('quotes what systemd would take for something else (man 5 systemd.service)', () => {
    const unit = systemdUnit(['/usr/bin/node', '/a b/main.js'], 'https://a', '/home/ada/50% "$x"', {
      COFFER_CA: '/etc/my "50%"/$ca.pem',
    })
    expect(unit).to.include(
      'ExecStart="/usr/bin/node" "/a b/main.js" "mount" "--foreground" "--no-login" "--wait" "60" "https://a" "/home/ada/50%% \\"$$x\\""',
    )
    const odd = systemdUnit(['/usr/bin/coffer'], 'https://a', '/home/ada/new\nline\\', {})
    expect(odd.match(/^(?:Description|ExecStart)=.*\n(?=Documentation|Restart)/gm)).to.deep.equal([
      'Description=Coffer: https://a on /home/ada/new?line\\/\n',
      'ExecStart="/usr/bin/coffer" "mount" "--foreground" "--no-login" "--wait" "60" "https://a" "/home/ada/new\\nline\\\\"\n',
    ])
    expect(unit).to.match(/^Type=notify$/m)
    expect(unit.match(/^Environment=.*$/gm)).to.deep.equal([
      'Environment="COFFER_CA=/etc/my \\"50%%\\"/$ca.pem"',
    ])
  })
})
