import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { type Need, requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

const SLOW = 300_000

/** The file systems' stressors of stress-ng that end soon, what needs another file system or kernel left out. */
const STRESSORS =
  'access chdir chmod chown copy-file dir dirdeep dirmany dnotify dup fallocate fcntl file-ioctl filename flock fpunch fsize fstat ' +
  'getdent handle hdd inotify io iomix lease locka lockf lockofd mknod open rename sync-file touch utime xattr'

const fio = (name: string, ...more: readonly string[]) => [
  ...['fio', `--name=${name}`, '--verify=crc32c', '--verify_fatal=1', '--end_fsync=1', '--size=8m'],
  ...more,
]

/** Each writes, reads back and checks what it read, in the directory it is started in. */
const STRESSES: Readonly<Record<string, { needs: Need; command: readonly string[] }>> = {
  'fio: random writes of 4 KiB': {
    needs: 'fio',
    command: fio('random', '--rw=randwrite', '--bs=4k', '--ioengine=psync'),
  },
  'fio: one long write': {
    needs: 'fio',
    command: fio('sequential', '--rw=write', '--bs=128k', '--ioengine=psync', '--size=64m'),
  },
  'fio: reads and writes of all sizes through mmap': {
    needs: 'fio',
    command: fio('mapped', '--rw=randrw', '--bsrange=1k-64k', '--ioengine=mmap', '--size=2m'),
  },
  'fio: four jobs at once': {
    needs: 'fio',
    command: fio('several', '--rw=randrw', '--bs=16k', '--numjobs=4', '--size=4m'),
  },
  'dbench: the work of an office': { needs: 'dbench', command: ['dbench', '-t', '5', '4'] },
  'bonnie++': {
    needs: 'bonnie++',
    command: 'bonnie++ -f -d . -s 32:32k -r 16 -n 1:2048:0:4 -u root -q'.split(' '),
  },
}

describe('what is made to break file systems', () => {
  let server: TestServer
  let home: Machine
  let mount: Mount
  let work = ''

  before(async function () {
    requires(this, 'fuse', 'root')
    this.timeout(SLOW)
    server = await startServer()
    home = await machine(server)
    mount = await home.mount()
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })
  beforeEach(async () => {
    work = join(mount.directory, 'work')
    await mkdir(work)
  })
  afterEach(() => rm(work, { recursive: true }))

  const here = ([program = '', ...parameters]: readonly string[]) =>
    run(program, parameters, { cwd: work, timeoutMilliseconds: SLOW })

  for (const [title, { needs, command }] of Object.entries(STRESSES)) {
    it(title, async function () {
      requires(this, needs)
      await here(command)
    }).timeout(SLOW)
  }

  it('stress-ng: what a file system is asked for', async function () {
    requires(this, 'stress-ng')
    const stressors = STRESSORS.split(' ')
    while (stressors.length > 0) {
      const several = stressors.splice(0, 6).flatMap((stressor) => [`--${stressor}`, '1'])
      const parameters = ['--timeout', '1', '--verify', '--temp-path', '.']
      const log = await here(['stress-ng', ...several, ...parameters])
      expect(log, several.join(' ')).to.not.include('fail:')
    }
    expect(await readdir(work)).to.deep.equal([])
  }).timeout(SLOW)
})
