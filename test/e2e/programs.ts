import type { Need } from '../support/requires.js'

/** What a script may read, beside the empty directory on the mount it runs in. */
export interface Places {
  /** A real tree on the local disk. */
  readonly tree: string
  /** The checkout. */
  readonly root: string
  /** A project with packages to install, and tests. */
  readonly project: string
  /** With npm's configuration and its cache, so that what was fetched once is not fetched again. */
  readonly home: string
}

export interface Program {
  readonly title: string
  readonly needs: readonly Need[]
  /** Fails (sh -e) if anything is not as on a local disk. */
  readonly script: (places: Places) => string
}

/** A C project with Autoconf and Automake: a library of others, and a program that tries it. */
export const cProject = (root: string): string => `
      cp -R "${root}/node_modules/argon2/argon2" argon2
      printf '%s\\n' 'AC_INIT([hasher], [1.0])' 'AM_INIT_AUTOMAKE([foreign subdir-objects -Wno-portability])' 'AC_PROG_CC' \\
        'AM_PROG_AR' 'AC_PROG_RANLIB' 'AC_CHECK_HEADERS([stdint.h pthread.h])' 'AC_CHECK_FUNCS([explicit_bzero])' \\
        'AC_CONFIG_FILES([Makefile])' 'AC_OUTPUT' > configure.ac
      printf '%s\\n' 'AM_CPPFLAGS = -I$(srcdir)/argon2/include -I$(srcdir)/argon2/src' 'noinst_LIBRARIES = libargon2.a' \\
        'libargon2_a_SOURCES = argon2/src/argon2.c argon2/src/core.c argon2/src/encoding.c argon2/src/ref.c argon2/src/thread.c argon2/src/blake2/blake2b.c' \\
        'check_PROGRAMS = works' 'works_SOURCES = works.c' 'works_LDADD = libargon2.a -lpthread' 'TESTS = works' > Makefile.am
      printf '%s\\n' '#include <string.h>' '#include "argon2.h"' 'int main(void) { char encoded[128];' \\
        'return argon2id_hash_encoded(2, 1024, 1, "password", 8, "somesalt", 8, 32, encoded, sizeof encoded)' \\
        '|| argon2id_verify(encoded, "password", 8) || !argon2id_verify(encoded, "other", 5); }' > works.c`

/** What people do on a drive, as they would type it. */
export const PROGRAMS: readonly Program[] = [
  {
    title: 'git: init, add, commit, branch, merge, gc, clone, fsck',
    needs: ['git'],
    script: ({ tree }) => `
      git init -q -b main repo && cd repo
      git config user.name Somebody && git config user.email somebody@example.org
      cp -R "${tree}/lib" lib && git add -A && git commit -qm first
      test -z "$(git status --porcelain)"
      git checkout -qb side && echo side > side && git add side && git commit -qm side
      git checkout -q main && echo main > main && git add main && git commit -qm main
      git merge -q -m merge side && git mv lib/npm.js lib/moved.js && git commit -qm move
      git gc -q && git fsck --full --strict
      cd .. && git clone -q repo clone && cd clone && git fsck --full && diff -r lib ../repo/lib`,
  },
  {
    title: 'sqlite3: transactions, rollback, integrity_check',
    needs: ['sqlite3'],
    script: () => `
      sqlite3 db 'create table t(a integer primary key, b text)'
      for i in $(seq 40); do sqlite3 db "insert into t values($i, hex(randomblob(200)))"; done
      sqlite3 db 'begin; delete from t; rollback'
      sqlite3 db 'pragma journal_mode=truncate; begin; update t set b = upper(b); commit' > ignored
      test "$(sqlite3 db 'select count(*) from t')" = 40
      test "$(sqlite3 db 'pragma integrity_check')" = ok`,
  },
  {
    title: 'rsync -a twice: the second time sends nothing',
    needs: ['rsync'],
    script: ({ tree }) => `
      rsync -a "${tree}/lib/" copy
      test -z "$(rsync -a --itemize-changes "${tree}/lib/" copy)"
      test -z "$(rsync -a --checksum --itemize-changes "${tree}/lib/" copy)"`,
  },
  {
    title: 'tar keeps modes, links and empty directories',
    needs: [],
    script: () => `
      mkdir -p from/empty && echo x > from/a && chmod 751 from/a && ln from/a from/b && ln -s a from/c && mkfifo from/p
      tar cf from.tar from && mkdir to && tar xpf from.tar -C to && test "$(stat -c %h to/from/a)" = 2
      test "$(stat -c %a to/from/b)" = 751 && test "$(readlink to/from/c)" = a && test -p to/from/p && test -d to/from/empty
      tar df from.tar -C to`,
  },
  {
    title: 'tar xf of a real tree, and rm -rf',
    needs: [],
    script: ({ tree }) => `
      tar cf all.tar -C "${tree}/.." npm && mkdir out && tar xpf all.tar -C out
      diff -r --no-dereference "${tree}" out/npm && rm -rf out && test ! -e out`,
  },
  {
    title: 'configure, make, make check, make distclean of a C project',
    needs: ['autoreconf', 'automake'],
    script: ({ root }) => `
      ${cProject(root)}
      autoreconf -i 2> autoreconf.log && mkdir build && cd build && ../configure -q && make -s > make.log 2>&1 && make -s check > check.log
      test "$(make -q && echo nothing to do)" = 'nothing to do'
      touch ../works.c && if make -q check > ../ignored; then false; fi
      make -s distclean && test ! -e Makefile`,
  },
  {
    title: 'unzip and zip -T',
    needs: ['zip', 'unzip'],
    script: ({ tree }) => `
      cp -R "${tree}/lib" lib && zip -qr lib.zip lib && zip -T lib.zip > ignored
      mkdir out && unzip -q lib.zip -d out && diff -r lib out/lib`,
  },
  {
    title: "a player's seeking reads the right bytes",
    needs: [],
    script: () => `
      local=$(mktemp) && head -c 40000000 /dev/urandom > "$local" && cp "$local" film
      part() { dd if="$1" bs=64k skip=$2 count=8 status=none | cksum; }
      for at in 0 500 3 610 99 98 300 301 302 12 608; do test "$(part film $at)" = "$(part "$local" $at)"; done
      cmp film "$local" && rm "$local"`,
  },
  {
    title: 'editors: in place, by a new file and rename, with a backup',
    needs: ['python3'],
    script: () => `
      cat > save.py <<'END'
import os, sys
def in_place(path, text):               # as VS Code: the same file, cut and written again
    with open(path, 'r+b') as file:
        file.truncate(0); file.write(text); file.flush(); os.fdatasync(file.fileno())
def by_rename(path, text):              # as most others: never half a file
    with open(path + '.tmp', 'xb') as file:
        file.write(text); file.flush(); os.fsync(file.fileno())
    os.chmod(path + '.tmp', os.stat(path).st_mode & 0o7777); os.replace(path + '.tmp', path)
def with_backup(path, text):            # as vim with backup: the old file stays under another name
    if os.path.exists(path + '~'): os.unlink(path + '~')
    os.rename(path, path + '~')
    with open(path, 'xb') as file:
        file.write(text); file.flush(); os.fsync(file.fileno())
    assert open(path + '~', 'rb').read() != text
for save in in_place, by_rename, with_backup:
    open('document', 'wb').write(b'old'); os.chmod('document', 0o640)
    for round in range(30):
        text = (save.__name__ + str(round)).encode() * (1 + round * 400)
        save('document', text)
        assert open('document', 'rb').read() == text, save.__name__
        assert os.stat('document').st_size == len(text), save.__name__
    if save != with_backup: assert os.stat('document').st_mode & 0o777 == 0o640, save.__name__
END
      python3 save.py && rm document document~ save.py && test -z "$(ls -A)"`,
  },
]

/** Too long to be run twice: only with the server killed. */
export const LONG_PROGRAMS: readonly Program[] = [
  {
    title: 'npm ci of a real project, and its tests',
    needs: [],
    script: ({ project, home }) => `
      cp -R "${project}/." .
      HOME="${home}" npm ci --ignore-scripts --prefer-offline --no-audit --no-fund > npm.log 2>&1
      node_modules/.bin/mocha 'test/oauth/{http,jose}/*.test.ts' > test.log && grep -q passing test.log
      npm ls --all > ls.log`,
  },
]
