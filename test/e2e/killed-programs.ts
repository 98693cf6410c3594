import { cProject, type Places, type Program } from './programs.js'

/** A program whose mount is killed on the way. */
export interface KilledProgram extends Pick<Program, 'title' | 'needs'> {
  /** Runs until the mount is gone. It appends a line to "$done", on the local disk, for each thing that is done for good. */
  readonly begin: (places: Places) => string
  /** Lines in "$done", or else inodes on the server, after which the mount is killed. */
  readonly kill: { readonly lines: number } | { readonly inodes: number }
  /** In the next mount: proves (sh -e) that all of "$done" is there, and nothing half done as if it were whole; and goes on to the end. */
  readonly finish: (places: Places) => string
}

/** Who writes a document again and again, each time another text that its number tells. */
const DOCUMENT = `
import os, sys
def text(round): return (b'%06d\\n' % round) * (1 + round * 50)
def by_rename(round):                   # as most editors: never half a file
    with open('document.tmp', 'wb') as file:
        file.write(text(round)); file.flush(); os.fsync(file.fileno())
    os.replace('document.tmp', 'document')
def in_place(round):                    # as VS Code: the same file, cut and written again
    with open('placed', 'wb') as file:
        file.write(text(round)); file.flush(); os.fdatasync(file.fileno())
def with_backup(round):                 # as vim with backup: the old file stays under another name
    os.rename('kept', 'kept~')
    with open('kept', 'xb') as file:
        file.write(text(round)); file.flush(); os.fsync(file.fileno())
def whole(path):                        # the number of a text that is all there
    content = open(path, 'rb').read()
    return int(content[:6]) if len(content) > 6 and content == text(int(content[:6])) else -1
`

/** Some 400 files. */
const DIRECTORIES = ['lib', 'docs', 'man'] as const
const sources = (tree: string): string => DIRECTORIES.map((name) => `"${tree}/${name}"`).join(' ')

const tarOf = (tree: string): string => `tar cf - -C "${tree}" lib`

export const KILLED_PROGRAMS: readonly KilledProgram[] = [
  {
    title: 'git: every commit that was made is there, and fsck is content',
    needs: ['git'],
    begin: ({ tree }) => `
      git init -q -b main repo && cd repo
      git config user.name Somebody && git config user.email somebody@example.org
      cp -R "${tree}/lib" lib && git add -A && git commit -qm 0
      for i in $(seq 1000); do echo $i > number; git add number; git commit -qm $i; echo $i >> "$done"; done`,
    kill: { lines: 12 },
    finish: ({ tree }) => `
      cd repo && rm -f .git/*.lock .git/refs/heads/*.lock && git fsck --full --strict
      test "$(git log -1 --format=%s)" -ge "$(tail -n1 "$done")"
      git reset -q --hard && diff -r "${tree}/lib" lib && test "$(cat number)" -ge "$(tail -n1 "$done")"
      echo on > number && git commit -qam on && git gc -q && git fsck --full --strict
      cd .. && git clone -q repo clone && test "$(cat clone/number)" = on`,
  },
  {
    title: 'sqlite3: every transaction that ended is there, and integrity_check is content',
    needs: ['sqlite3'],
    begin: () => `
      sqlite3 db 'create table t(a integer primary key, b text)'
      for i in $(seq 1000); do sqlite3 db "insert into t values($i, hex(randomblob(2000)))"; echo $i >> "$done"; done`,
    kill: { lines: 12 },
    finish: () => `
      test "$(sqlite3 db 'pragma integrity_check')" = ok
      test "$(sqlite3 db 'select count(*) from t')" -ge "$(tail -n1 "$done")"
      sqlite3 db "delete from t; insert into t values(1, 'on')" && test "$(sqlite3 db 'select b from t')" = on`,
  },
  {
    title: 'rsync -a goes on where it was, and a third time sends nothing',
    needs: ['rsync'],
    begin: ({ tree }) => `rsync -a ${sources(tree)} copy`,
    kill: { inodes: 150 },
    finish: ({ tree }) => `
      rsync -a --delete ${sources(tree)} copy # what it was about to rename has a name of its own
      test -z "$(rsync -a --checksum --itemize-changes ${sources(tree)} copy)"
      for name in ${DIRECTORIES.join(' ')}; do diff -r "${tree}/$name" "copy/$name"; done`,
  },
  {
    title: 'tar and unzip: what was unpacked before is whole; unpacked again, everything is',
    needs: ['zip', 'unzip'],
    begin: ({ tree }) => `
      mkdir out && ${tarOf(tree)} | tar xvf - -C out >> "$done"
      (cd "${tree}" && zip -qr - lib) > lib.zip && unzip -qo lib.zip -d unzipped < /dev/null`,
    kill: { lines: 100 },
    finish: ({ tree }) => `
      head -n -2 "$done" | while read -r name; do
        test -d "${tree}/$name" || cmp "${tree}/$name" "out/$name"
      done
      ${tarOf(tree)} | tar xf - -C out && diff -r "${tree}/lib" out/lib
      (cd "${tree}" && zip -qr - lib) > lib.zip && unzip -qo lib.zip -d unzipped && diff -r "${tree}/lib" unzipped/lib
      (cd out/lib && find . | sort) > found && (cd "${tree}/lib" && find . | sort) | cmp - found
      test "$(cd out/lib && find . -type f -print0 | sort -z | du -b -c --files0-from=- | tail -n1)" = \\
        "$(cd "${tree}/lib" && find . -type f -print0 | sort -z | du -b -c --files0-from=- | tail -n1)"`,
  },
  {
    title: 'configure and make: built again, the C project works',
    needs: ['autoreconf', 'automake'],
    begin: ({ root }) => `
      ${cProject(root)}
      autoreconf -i 2> autoreconf.log && mkdir build && cd build && ../configure -q
      while :; do make -s > make.log 2>&1; echo built >> "$done"; make -s clean; done`,
    kill: { lines: 1 },
    finish: ({ root }) => `
      diff -r "${root}/node_modules/argon2/argon2" argon2 && rm -r build && mkdir build && cd build
      ../configure -q && make -s > make.log 2>&1 && make -s check > check.log && test -x works`,
  },
  {
    title: 'editors: a document that was saved is there, whole',
    needs: ['python3'],
    begin: () => `
      cat > "$done.py" <<'END'
${DOCUMENT}
open('kept', 'wb').write(text(0))
for round in range(1, 1000):
    by_rename(round); in_place(round); with_backup(round)
    with open(sys.argv[1], 'a') as done: done.write('%d\\n' % round)
END
      python3 "$done.py" "$done"`,
    kill: { lines: 12 },
    finish: () => `
      cat > "$done.py" <<'END'
${DOCUMENT}
last = int(open(sys.argv[1]).read().split()[-1])
assert whole('document') >= last, ('document', whole('document'), last)
# What was cut to be written again may be what was being written, or nothing of it yet.
placed = open('placed', 'rb').read()
assert whole('placed') >= last or text(last + 1).startswith(placed), ('placed', len(placed), last)
kept = [whole(path) if os.path.exists(path) else -1 for path in ('kept', 'kept~')]
assert max(kept) >= last, ('kept', kept, last)
for path in ('document.tmp', 'kept~'):
    if os.path.exists(path): os.unlink(path)
by_rename(7); in_place(7); open('kept', 'wb').write(text(6)); with_backup(7)
assert whole('document') == whole('placed') == whole('kept') == 7 and whole('kept~') == 6
END
      python3 "$done.py" "$done"`,
  },
  {
    title: "a player's film is all there",
    needs: [],
    begin: () => `
      head -c 40000000 /dev/urandom > "$done.film" && cp "$done.film" film && echo copied >> "$done"
      while :; do dd if=film bs=64k skip=300 count=8 status=none > "$done.part"; done`,
    kill: { lines: 1 },
    finish: () => `
      part() { dd if="$1" bs=64k skip=$2 count=8 status=none | cksum; }
      for at in 0 500 3 99 98 300 301 12 608; do test "$(part film $at)" = "$(part "$done.film" $at)"; done
      cmp film "$done.film" && rm "$done.film"`,
  },
  {
    title: 'npm ci, again, and the tests of the project',
    needs: [],
    begin: ({ project, home }) => `
      cp -R "${project}/." .
      HOME="${home}" npm ci --ignore-scripts --prefer-offline --no-audit --no-fund > npm.log 2>&1`,
    kill: { inodes: 500 },
    finish: ({ project, home }) => `
      diff -r --exclude=node_modules --exclude='*.log' "${project}" .
      HOME="${home}" npm ci --ignore-scripts --prefer-offline --no-audit --no-fund > npm.log 2>&1
      node_modules/.bin/mocha 'test/oauth/{http,jose}/*.test.ts' > test.log && grep -q passing test.log`,
  },
]
