import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { MemoryMount, noFuse } from './memory-mount.js'
import { namesThatAreNotUtf8, operations } from './operations.js'

const SOURCE = new URL('../../../node_modules/koffi', import.meta.url).pathname

/** Real programs; each must say nothing that is not expected and end with 0. */
const PROGRAMS: Record<string, string> = {
  'cp -a and diff -r': `cp -a ${SOURCE} copy && diff -r ${SOURCE} copy`,
  'tar keeps times': `tar --format=posix -C ${SOURCE} -cf t.tar . && mkdir x && tar -C x -xpf t.tar && diff <(cd ${SOURCE} && find . -type f -printf '%P %T@ %m %s\\n' | sort) <(cd x && find . -type f -printf '%P %T@ %m %s\\n' | sort)`,
  'rsync sends nothing the second time': `rsync -a ${SOURCE}/ r/ && test -z "$(rsync -ai ${SOURCE}/ r/)"`,
  'git init, add, commit, gc, fsck': `git init -q g && cd g && cp -r ${SOURCE} . && git add . && git -c user.name=a -c user.email=a@example.org commit -qm x && git gc -q && git fsck --strict 2>&1 && test -z "$(git status --short)"`,
  'sqlite, with a journal and with WAL': `for mode in delete wal; do sqlite3 $mode.db "pragma journal_mode=$mode; create table t(a); insert into t select value from generate_series(1,5000); update t set a=a+1; pragma integrity_check" | tail -1 | grep -qx ok; done`,
  'mmap shared is written back': `python3 -c "
import mmap
with open('m', 'w+b') as f:
    f.truncate(100000)
    with mmap.mmap(f.fileno(), 0) as m: m[50000:50005] = b'hello'
print(open('m', 'rb').read()[50000:50005])" | grep -q hello`,
  'an editor saves by rename': 'echo 1 > f; echo 2 > f~; mv f~ f; test "$(cat f)" = 2',
}

describe('the kernel binding', () => {
  let mount: MemoryMount
  let reason: string | undefined

  before(async function () {
    reason = noFuse()
    if (reason !== undefined) {
      console.warn(reason)
      this.skip()
    }
    mount = await MemoryMount.start()
  })

  after(async () => {
    await mount?.stop()
  })

  const inNewDirectory = (base: string, test: (dir: string) => void) => {
    const dir = join(base, 'case')
    mkdirSync(dir)
    try {
      test(dir)
    } finally {
      rmSync(dir, { recursive: true })
    }
  }

  for (const [name, test] of Object.entries(operations)) {
    it(name, () => inNewDirectory(mount.directory, test))
  }

  for (const [name, script] of Object.entries(PROGRAMS)) {
    it(name, () =>
      inNewDirectory(mount.directory, (dir) => {
        execFileSync('bash', ['-eo', 'pipefail', '-c', script], { cwd: dir, stdio: 'pipe' })
      }),
    ).timeout(60_000)
  }

  it('refuses names that are not UTF-8 with EILSEQ', () => {
    expect(namesThatAreNotUtf8(mount.directory)).to.equal('EILSEQ')
  })

  it('gives back every reference and every handle', async () => {
    inNewDirectory(mount.directory, (dir) => {
      execFileSync('bash', ['-ec', `cp -r ${SOURCE} c; ls -lR > /dev/null; rm -r c`], { cwd: dir })
    })
    expect(readdirSync(mount.directory)).to.deep.equal([])
    // A removed inode is kept while it is open or the kernel counts it: so what is left is the root.
    const left = await mount.ask<{ ino: number; opened: number }[]>({ kind: 'inodes' })
    expect(left.filter(({ ino }) => ino !== 1)).to.deep.equal([])
  })
})

describe('the cases for the binding, on a local directory', () => {
  for (const [name, test] of Object.entries(operations)) {
    if (name.includes('2^53') || name.includes('2^40') || name.startsWith('setattr: times'))
      continue
    it(name, () => {
      const dir = mkdtempSync(join(tmpdir(), 'coffer-fuse-local-'))
      try {
        test(dir)
      } finally {
        rmSync(dir, { recursive: true })
      }
    })
  }
})
