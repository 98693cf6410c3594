import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { SESSION_THREADS } from '../../../client/fuse/session.js'
import { errnoOf } from './libc.js'
import { MemoryMount, newDirectory, noFuse, type Wanted } from './memory-mount.js'

const NOBODY = { uid: 65534, gid: 65534 }

const failure = async (wanted: Wanted): Promise<{ code: string; message: string }> => {
  try {
    const mount = await MemoryMount.start(wanted)
    await mount.stop()
  } catch (error) {
    return error as { code: string; message: string }
  }
  return { code: 'no error', message: '' }
}

const isMounted = (directory: string): boolean =>
  fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${directory} `)

describe('mounting with the kernel binding', function () {
  this.timeout(30_000)
  const running = new Set<MemoryMount>()
  const start = async (wanted: Wanted = {}) => {
    const mount = await MemoryMount.start(wanted)
    running.add(mount)
    return mount
  }

  before(function () {
    const reason = noFuse()
    if (reason === undefined) return
    console.warn(reason)
    this.skip()
  })

  afterEach(async () => {
    for (const mount of running) {
      mount.process.kill('SIGKILL')
      await mount.exited
      if (isMounted(mount.directory)) execFileSync('fusermount3', ['-u', '-z', mount.directory])
      fs.rmSync(mount.directory, { recursive: true, force: true })
    }
    running.clear()
  })

  describe('as an ordinary user', () => {
    const shell = (directory: string, script: string) =>
      execFileSync('bash', ['-ec', script], {
        cwd: '/',
        encoding: 'utf8',
        ...NOBODY,
        env: { D: directory, PATH: '/usr/bin:/bin' },
      })

    before(function () {
      if (process.getuid?.() === 0) return
      console.warn('SKIPPED: only root can become another user to test a mount of theirs')
      this.skip()
    })

    const startAsNobody = async () => {
      const directory = newDirectory()
      fs.chownSync(directory, NOBODY.uid, NOBODY.gid)
      return start({ directory, user: NOBODY })
    }

    it('mounts, works and unmounts', async () => {
      const { directory, process: holder, exited } = await startAsNobody()
      expect(fs.readFileSync(`/proc/${holder.pid}/status`, 'utf8')).to.match(/^Uid:\t65534\t65534/m)
      const said = shell(
        directory,
        'cd $D; echo hello > f; mkdir d; mv f d; cat d/f; stat -c "%u %a" d/f',
      )
      expect(said).to.equal('hello\n65534 644\n')
      shell(directory, 'fusermount3 -u $D')
      expect(await exited).to.equal(0)
    })

    it('keeps others out, root too', async () => {
      const { directory } = await startAsNobody()
      expect(errnoOf(() => fs.readdirSync(directory))).to.equal('EACCES')
    })

    it('takes set-user-ID from a file that is written to or truncated', async () => {
      const { directory } = await startAsNobody()
      const set = 'cd $D; echo x > f; chmod 6777 f; stat -c %a f'
      expect(shell(directory, `${set}; echo y >> f; stat -c %a f`)).to.equal('6777\n777\n')
      expect(shell(directory, `${set}; truncate -s 1 f; stat -c %a f`)).to.equal('6777\n777\n')
      expect(shell(directory, `${set}; : > f; stat -c %a f`)).to.equal('6777\n777\n')
    })

    it('says what to do about --allow-other without user_allow_other', async function () {
      if (/^user_allow_other/m.test(fs.readFileSync('/etc/fuse.conf', 'utf8'))) this.skip()
      const directory = newDirectory()
      fs.chownSync(directory, NOBODY.uid, NOBODY.gid)
      const { code, message } = await failure({
        directory,
        user: NOBODY,
        options: { allowOther: true },
      })
      expect(code).to.equal('allow-other-denied')
      expect(message).to.include('/etc/fuse.conf')
      fs.rmdirSync(directory)
    })

    it('refuses a directory of somebody else', async () => {
      const directory = newDirectory()
      fs.chmodSync(directory, 0o755)
      expect(await failure({ directory, user: NOBODY })).to.include({ code: 'mount-point-denied' })
      fs.rmdirSync(directory)
    })
  })

  describe('with options', () => {
    it('no-exec runs nothing (EACCES)', async () => {
      const { directory } = await start({ options: { noExec: true } })
      const program = join(directory, 'program')
      fs.writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 })
      expect(errnoOf(() => execFileSync(program))).to.equal('EACCES')
    })

    it('read-only refuses every change with EROFS', async () => {
      const { directory } = await start({ options: { readOnly: true } })
      expect(errnoOf(() => fs.writeFileSync(join(directory, 'f'), ''))).to.equal('EROFS')
      expect(errnoOf(() => fs.mkdirSync(join(directory, 'd')))).to.equal('EROFS')
    })

    it('shows its names, whatever is in them', async () => {
      const { directory } = await start({ options: { fsname: 'https://host/a,b\\c d' } })
      const line = fs
        .readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .find((l) => l.includes(directory))
      expect(line).to.include('fuse.coffer-test https://host/a,b\\134c\\040d')
    })
  })

  describe('where there can be no mount', () => {
    const cases: Record<string, [(directory: string) => string, string]> = {
      'a missing directory': [(directory) => join(directory, 'none'), 'no-mount-point'],
      'a file': [
        (directory) => {
          fs.writeFileSync(join(directory, 'file'), '')
          return join(directory, 'file')
        },
        'not-a-directory',
      ],
      'a directory with something in it': [
        (directory) => {
          fs.writeFileSync(join(directory, 'file'), '')
          return directory
        },
        'not-empty',
      ],
    }
    for (const [what, [prepare, expected]] of Object.entries(cases)) {
      it(`refuses ${what}`, async () => {
        const directory = newDirectory()
        const target = prepare(directory)
        const { code, message } = await failure({ directory: target })
        expect(code).to.equal(expected)
        expect(message).to.include(target)
        fs.rmSync(directory, { recursive: true })
      })
    }

    it('refuses a directory that is mounted on already', async () => {
      const { directory } = await start()
      expect(await failure({ directory })).to.include({ code: 'already-mounted' })
    })

    it('recognises the mount of a process that was killed, and says how to remove it', async () => {
      const mount = await start()
      mount.process.kill('SIGKILL')
      await mount.exited
      const { code, message } = await failure({ directory: mount.directory })
      expect(code).to.equal('stale')
      expect(message).to.include(`fusermount3 -u -z ${mount.directory}`)
    })

    it('refuses to start with too few threads, and names the number', async () => {
      const directory = newDirectory()
      const { code, message } = await failure({ directory, threads: SESSION_THREADS })
      expect(code).to.equal('too-few-threads')
      expect(message).to.match(/UV_THREADPOOL_SIZE=\d+/)
      fs.rmdirSync(directory)
    })
  })

  describe('the end', () => {
    it('comes when somebody else unmounts, with status 0', async () => {
      const mount = await start()
      fs.writeFileSync(mount.path('f'), 'x')
      execFileSync('umount', [mount.directory])
      expect(await mount.exited).to.equal(0)
    })

    it('refuses to unmount while a file is open, and then goes on working', async () => {
      const mount = await start()
      const fd = fs.openSync(mount.path('f'), 'w')
      const refused = await mount.ask({ kind: 'unmount', lazy: false }).catch((error) => error)
      expect(refused).to.include({ code: 'busy' })
      fs.writeSync(fd, 'more')
      fs.closeSync(fd)
      expect(fs.readFileSync(mount.path('f'), 'utf8')).to.equal('more')
      await mount.ask({ kind: 'unmount', lazy: false })
      expect(await mount.exited).to.equal(0)
    })

    it('waits for the last open file after a lazy unmount', async () => {
      const mount = await start()
      const fd = fs.openSync(mount.path('f'), 'w')
      await mount.ask({ kind: 'unmount', lazy: true })
      expect(isMounted(mount.directory)).to.equal(false)
      fs.writeSync(fd, 'after')
      expect(await mount.ask<{ write: number }>({ kind: 'counts' })).to.include({ write: 1 })
      fs.closeSync(fd)
      expect(await mount.exited).to.equal(0)
    })

    it('is told to who unmounts twice', async () => {
      const mount = await start()
      const fd = fs.openSync(mount.path('f'), 'w')
      await mount.ask({ kind: 'unmount', lazy: true })
      const refused = await mount.ask({ kind: 'unmount', lazy: true }).catch((error) => error)
      expect(refused).to.include({ code: 'not-mounted' })
      fs.closeSync(fd)
      await mount.exited
    })
  })

  describe('a program that is interrupted', () => {
    for (const how of ['heeding', 'deaf'] as const) {
      it(`gets away from a read that ${how === 'deaf' ? 'never answers' : 'heeds the signal'}`, async () => {
        const mount = await start({ directIo: true })
        fs.writeFileSync(mount.path('f'), 'x')
        await mount.ask({ kind: 'stick', how })
        const cat = spawn('cat', [mount.path('f')], { stdio: 'ignore' })
        await mount.ask({ kind: 'stuck' })
        cat.kill('SIGINT')
        const [, signal] = await once(cat, 'exit')
        expect(signal).to.equal('SIGINT')
        await mount.ask({ kind: 'stick', how: 'no' })
        // The operation that nobody waits for any more may end now; its answer goes nowhere.
        expect(fs.readFileSync(mount.path('f'), 'utf8')).to.equal('x')
      })
    }

    it('by a timer only, sees no EINTR from what goes on', async () => {
      const mount = await start()
      const timed = [
        'use Time::HiRes qw(setitimer ITIMER_REAL); use Errno;',
        '$SIG{ALRM} = sub {}; setitimer(ITIMER_REAL, 0.0005, 0.0005); my $bad = 0;',
        'for (1..2000) { $! = 0; lstat("$ARGV[0]/none$_"); $bad++ if $!{EINTR} }',
        'setitimer(ITIMER_REAL, 0); print $bad',
      ]
      const { stdout } = await promisify(execFile)('perl', ['-e', timed.join(' '), mount.path('.')])
      expect(stdout).to.equal('0')
    })

    for (const how of ['heeding', 'deaf'] as const) {
      it(`by a timer, and stopped and continued, waits for a read that takes long (${how}); Ctrl-C ends it`, async () => {
        const mount = await start({ directIo: true })
        fs.writeFileSync(mount.path('f'), 'x')
        await mount.ask({ kind: 'stick', how })
        const timed = [
          'use Time::HiRes qw(setitimer ITIMER_REAL);',
          '$SIG{ALRM} = sub {}; setitimer(ITIMER_REAL, 0.05, 0.05);',
          'open(my $file, "<", $ARGV[0]) or die; my $read; print sysread($file, $read, 1) ? $read : $!',
        ].join(' ')
        const [one, other] = [
          spawn('perl', ['-e', timed, mount.path('f')]),
          spawn('perl', ['-e', timed, mount.path('f')]),
        ] as const
        await mount.ask({ kind: 'stuck', readers: 2 })
        for (const signal of ['SIGSTOP', 'SIGCONT'] as const) one.kill(signal)
        const said = text(one.stdout)
        const ended = once(other, 'exit')
        // Who came later has been stuck for long enough.
        const cat = spawn('cat', [mount.path('f')], { stdio: 'ignore' })
        await mount.ask({ kind: 'stuck', readers: 3 })
        cat.kill('SIGINT')
        await once(cat, 'exit')
        other.kill('SIGINT')
        expect((await ended)[1]).to.equal('SIGINT')
        await mount.ask({ kind: 'stick', how: 'no' })
        expect(await said).to.equal('x')
      })
    }

    it('by a signal that ends it with a core dump, gets away, but not by one that it heeds itself', async () => {
      const mount = await start({ directIo: true })
      fs.writeFileSync(mount.path('f'), 'x')
      await mount.ask({ kind: 'stick', how: 'deaf' })
      const heeding =
        '$SIG{ABRT} = sub {}; open(my $file, "<", $ARGV[0]); print sysread($file, $_, 1)'
      const perl = spawn('perl', ['-e', heeding, mount.path('f')])
      const said = text(perl.stdout)
      await mount.ask({ kind: 'stuck' })
      perl.kill('SIGABRT')
      const cat = spawn('cat', [mount.path('f')], { stdio: 'ignore' })
      await mount.ask({ kind: 'stuck', readers: 2 })
      cat.kill('SIGABRT')
      const [, signal] = await once(cat, 'exit')
      expect(signal).to.equal('SIGABRT')
      await mount.ask({ kind: 'stick', how: 'no' })
      expect(await said).to.equal('1')
    })

    it('gets away from pages that are being read ahead', async () => {
      const mount = await start()
      fs.writeFileSync(mount.path('f'), 'x'.repeat(100_000))
      await mount.ask({ kind: 'stick', how: 'heeding' })
      const cat = spawn('cat', [mount.path('f')], { stdio: 'ignore' })
      await mount.ask({ kind: 'stuck' })
      cat.kill('SIGINT')
      await once(cat, 'exit')
      await mount.ask({ kind: 'stick', how: 'no' })
      expect(fs.readFileSync(mount.path('f'), 'utf8')).to.have.length(100_000)
    })
  })
})
