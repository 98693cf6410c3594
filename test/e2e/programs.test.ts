import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { installed, requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { realTree } from '../support/tree.js'

const SLOW = 300_000

describe('programs on the mount', () => {
  let server: TestServer
  let home: Machine
  let mount: Mount
  let work = ''
  let local = ''

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    server = await startServer()
    home = await machine(server)
    mount = await home.mount()
    local = await temporaryDirectory('programs')
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
    await removeDirectory(local)
  })
  beforeEach(async function () {
    work = join(mount.directory, `work${this.currentTest?.title.replace(/\W+/g, '-')}`.slice(0, 60))
    await mkdir(work)
  })
  const sh = (script: string): Promise<string> =>
    run('sh', ['-ec', script], { cwd: work, timeoutMilliseconds: SLOW, env: { HOME: local } })

  it('git: init, add, commit, branch, merge, gc, clone, fsck', async function () {
    requires(this, 'git')
    const { path } = await realTree()
    await sh(`
      git init -q -b main repo && cd repo
      git config user.name Somebody && git config user.email somebody@example.org
      cp -R "${path}/lib" lib && git add -A && git commit -qm first
      test -z "$(git status --porcelain)"
      git checkout -qb side && echo side > side && git add side && git commit -qm side
      git checkout -q main && echo main > main && git add main && git commit -qm main
      git merge -q -m merge side && git mv lib/npm.js lib/moved.js && git commit -qm move
      git gc -q && git fsck --full --strict
      cd .. && git clone -q repo clone && cd clone && git fsck --full && diff -r lib ../repo/lib`)
  }).timeout(SLOW)

  it('sqlite3: transactions, rollback, integrity_check', async function () {
    requires(this, 'sqlite3')
    await sh(`
      sqlite3 db 'create table t(a integer primary key, b text)'
      for i in $(seq 40); do sqlite3 db "insert into t values($i, hex(randomblob(200)))"; done
      sqlite3 db 'begin; delete from t; rollback'
      sqlite3 db 'pragma journal_mode=truncate; begin; update t set b = upper(b); commit' > ignored
      test "$(sqlite3 db 'select count(*) from t')" = 40
      test "$(sqlite3 db 'pragma integrity_check')" = ok`)
  }).timeout(SLOW)

  it('rsync -a twice: the second time sends nothing', async function () {
    requires(this, 'rsync')
    const { path } = await realTree()
    await sh(`rsync -a "${path}/lib/" copy`)
    const second = await sh(`rsync -a --itemize-changes "${path}/lib/" copy`)
    expect(second).to.equal('')
    expect(await sh(`rsync -a --checksum --itemize-changes "${path}/lib/" copy`)).to.equal('')
  }).timeout(SLOW)

  it('touch, cp -a and tar keep times to the nanosecond', async () => {
    await sh(`
      touch -d '2001-02-03 04:05:06.123456789 UTC' dated && touch -m -d '@1234567890.987654321' dated
      cp -a dated copied && tar cf archive.tar --format=posix dated && mkdir out && tar xpf archive.tar -C out`)
    for (const name of ['dated', 'copied', 'out/dated']) {
      const { mtimeNs } = await stat(join(work, name), { bigint: true })
      expect(mtimeNs, name).to.equal(1_234_567_890_987_654_321n)
    }
  })

  it('tar keeps modes, links and empty directories', async () => {
    await sh(`
      mkdir -p from/empty && echo x > from/a && chmod 751 from/a && ln from/a from/b && ln -s a from/c && mkfifo from/p
      tar cf from.tar from && mkdir to && tar xpf from.tar -C to && test "$(stat -c %h to/from/a)" = 2
      test "$(stat -c %a to/from/b)" = 751 && test "$(readlink to/from/c)" = a && test -p to/from/p && test -d to/from/empty
      tar df from.tar -C to`)
  })

  it('make: rebuilds what is older, and nothing else', async () => {
    await writeFile(join(work, 'Makefile'), 'out: in\n\t@cp in out && echo built\n')
    await writeFile(join(work, 'in'), '1')
    expect(await sh('make out')).to.equal('built\n')
    expect(await sh('make out')).to.not.include('built')
    await utimes(join(work, 'in'), new Date(Date.now() + 5000), new Date(Date.now() + 5000))
    expect(await sh('make out 2>&1')).to.include('built')
  })

  it('vi: writes a file in place', async function () {
    const vi = installed('vim', 'vi')
    if (vi === undefined) {
      process.stderr.write('SKIPPED: vi is not installed\n')
      this.skip()
    }
    await writeFile(join(work, 'text'), 'one\ntwo\nthree\n')
    await sh(`${vi} -e -s -N -u NONE -c '2s/two/zwei/' -c 'wq' text < /dev/null`)
    expect(await readFile(join(work, 'text'), 'utf8')).to.equal('one\nzwei\nthree\n')
    expect((await sh('ls -A')).trim()).to.equal('text')
  })

  it('find, du, grep, sort and sed -i agree with a local copy', async () => {
    const { path } = await realTree()
    await run('cp', ['-R', join(path, 'lib'), join(local, 'lib')])
    await sh(`cp -R "${path}/lib" lib`)
    const both = (script: string) =>
      Promise.all([work, local].map((cwd) => run('sh', ['-ec', script], { cwd })))
    for (const script of [
      'find lib -type f | sort',
      'grep -rl require lib | sort',
      'cat $(find lib -name "*.js" | sort) | sort | uniq -c | sort -rn | head -50',
      'find lib -name "*.js" -exec sed -i s/require/REQUIRE/g {} + && cat $(find lib -name "*.js" | sort) | cksum',
      'du -b --apparent-size $(find lib -type f | sort)',
    ]) {
      const [there, here] = await both(script)
      expect(there, script).to.equal(here)
    }
  }).timeout(SLOW)

  it('unzip and zip -T', async function () {
    if (installed('zip') === undefined || installed('unzip') === undefined) {
      process.stderr.write('SKIPPED: zip or unzip is not installed\n')
      this.skip()
    }
    const { path } = await realTree()
    await sh(`
      cp -R "${path}/lib" lib && zip -qr lib.zip lib && zip -T lib.zip > ignored
      mkdir out && unzip -q lib.zip -d out && diff -r lib out/lib`)
  }).timeout(SLOW)
})
