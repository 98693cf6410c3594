import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { AT_FDCWD, call, errnoOf, timespecs, UTIME_NOW, UTIME_OMIT } from './libc.js'

const { O_CREAT, O_EXCL, O_RDWR, O_APPEND, O_TRUNC } = fs.constants
const NOREPLACE = 1
const EXCHANGE = 2
const SEEK_DATA = 3
const SEEK_HOLE = 4
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const MIB = 1 << 20

const shell = (dir: string, script: string): string =>
  execFileSync('sh', ['-ec', script], { cwd: dir, encoding: 'utf8', stdio: 'pipe' })

const times = (path: string) => {
  const { atimeNs, mtimeNs } = fs.lstatSync(path, { bigint: true })
  return { atimeNs, mtimeNs }
}

/** Each operation of fuse(4), as programs cause it. Runs on any directory of a POSIX file system. */
export const operations: Record<string, (dir: string) => void> = {
  'lookup: a missing name is ENOENT': (dir) => {
    expect(errnoOf(() => fs.statSync(join(dir, 'none')))).to.equal('ENOENT')
  },
  'lookup: a name of 255 bytes is found, one of 256 is ENAMETOOLONG': (dir) => {
    fs.writeFileSync(join(dir, `${'ä'.repeat(127)}b`), 'x')
    expect(fs.readdirSync(dir)).to.deep.equal([`${'ä'.repeat(127)}b`])
    expect(errnoOf(() => fs.writeFileSync(join(dir, 'b'.repeat(256)), ''))).to.equal('ENAMETOOLONG')
  },
  'setattr: mode, owner and size, by path and by descriptor': (dir) => {
    const path = join(dir, 'f')
    fs.writeFileSync(path, 'hello world')
    fs.chmodSync(path, 0o4751)
    expect(fs.statSync(path).mode & 0o7777).to.equal(0o4751)
    const fd = fs.openSync(path, 'r+')
    fs.ftruncateSync(fd, 5)
    fs.fchmodSync(fd, 0o600)
    expect(fs.fstatSync(fd)).to.include({ size: 5 })
    fs.closeSync(fd)
    fs.truncateSync(path, 2 ** 40)
    expect(fs.statSync(path).size).to.equal(2 ** 40)
  },
  'setattr: times in nanoseconds, before 1970 and after 2038': (dir) => {
    const path = join(dir, 'f')
    fs.writeFileSync(path, '')
    call('utimensat', AT_FDCWD, path, timespecs([-2n, 999_999_999n], [2n ** 33n, 1n]), 0)
    expect(times(path)).to.deep.equal({
      atimeNs: -1_000_000_001n,
      mtimeNs: 2n ** 33n * 1_000_000_000n + 1n,
    })
  },
  'setattr: UTIME_OMIT leaves one time, UTIME_NOW sets the other': (dir) => {
    const path = join(dir, 'f')
    fs.writeFileSync(path, '')
    call('utimensat', AT_FDCWD, path, timespecs([100n, 1n], [200n, 2n]), 0)
    call('utimensat', AT_FDCWD, path, timespecs([0n, UTIME_OMIT], [300n, 3n]), 0)
    expect(times(path)).to.deep.equal({ atimeNs: 100_000_000_001n, mtimeNs: 300_000_000_003n })
    const before = BigInt(Date.now() - 1000) * 1_000_000n
    call('utimensat', AT_FDCWD, path, timespecs([0n, UTIME_NOW], [0n, UTIME_OMIT]), 0)
    const after = times(path)
    expect(after.atimeNs > before).to.equal(true)
    expect(after.mtimeNs).to.equal(300_000_000_003n)
  },
  'symlink and readlink: the target as given, times of its own': (dir) => {
    const path = join(dir, 'link')
    fs.symlinkSync('../no where/ü', path)
    expect(fs.readlinkSync(path)).to.equal('../no where/ü')
    call('utimensat', AT_FDCWD, path, timespecs([1n, 5n], [2n, 6n]), 0x100)
    expect(times(path)).to.deep.equal({ atimeNs: 1_000_000_005n, mtimeNs: 2_000_000_006n })
  },
  'mknod: a fifo': (dir) => {
    call('mknod', join(dir, 'fifo'), 0o010640, 0)
    expect(fs.statSync(join(dir, 'fifo')).isFIFO()).to.equal(true)
  },
  'mkdir and rmdir: counts of links, ENOTEMPTY, EEXIST': (dir) => {
    const before = fs.statSync(dir).nlink
    fs.mkdirSync(join(dir, 'a'))
    fs.mkdirSync(join(dir, 'a/b'))
    expect(errnoOf(() => fs.mkdirSync(join(dir, 'a')))).to.equal('EEXIST')
    expect(errnoOf(() => fs.rmdirSync(join(dir, 'a')))).to.equal('ENOTEMPTY')
    fs.rmdirSync(join(dir, 'a/b'))
    fs.rmdirSync(join(dir, 'a'))
    expect(fs.statSync(dir).nlink).to.equal(before)
  },
  'mkdir: the umask is applied once': (dir) => {
    shell(dir, 'umask 027; mkdir d; : > f')
    expect(fs.statSync(join(dir, 'd')).mode & 0o777).to.equal(0o750)
    expect(fs.statSync(join(dir, 'f')).mode & 0o777).to.equal(0o640)
  },
  'unlink: a directory is refused, an open file stays usable': (dir) => {
    fs.mkdirSync(join(dir, 'd'))
    expect(['EISDIR', 'EPERM']).to.include(errnoOf(() => fs.unlinkSync(join(dir, 'd'))))
    const fd = fs.openSync(join(dir, 'f'), 'w+')
    fs.unlinkSync(join(dir, 'f'))
    fs.writeSync(fd, 'still here')
    expect(fs.fstatSync(fd)).to.include({ nlink: 0, size: 10 })
    const read = Buffer.alloc(10)
    fs.readSync(fd, read, 0, 10, 0)
    expect(read.toString()).to.equal('still here')
    fs.closeSync(fd)
    expect(fs.readdirSync(dir)).to.deep.equal(['d'])
  },
  'rename: over an open file, and a directory into another': (dir) => {
    fs.writeFileSync(join(dir, 'old'), 'old')
    fs.writeFileSync(join(dir, 'new'), 'new')
    const fd = fs.openSync(join(dir, 'old'), 'r')
    fs.renameSync(join(dir, 'new'), join(dir, 'old'))
    expect(fs.readFileSync(join(dir, 'old'), 'utf8')).to.equal('new')
    expect(fs.readFileSync(fd, 'utf8')).to.equal('old')
    fs.closeSync(fd)
    shell(dir, 'mkdir -p a/x b; mv a b/; test -d b/a/x; test ! -e a')
    expect(errnoOf(() => fs.renameSync(join(dir, 'b'), join(dir, 'b/a/b')))).to.equal('EINVAL')
  },
  'rename2: RENAME_NOREPLACE and RENAME_EXCHANGE': (dir) => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')]
    fs.writeFileSync(a, 'a')
    fs.writeFileSync(b, 'b')
    const rename = (flags: number) => call('renameat2', AT_FDCWD, a, AT_FDCWD, b, flags)
    expect(errnoOf(() => rename(NOREPLACE))).to.equal('EEXIST')
    rename(EXCHANGE)
    expect(fs.readFileSync(a, 'utf8') + fs.readFileSync(b, 'utf8')).to.equal('ba')
  },
  'link: one inode under two names': (dir) => {
    fs.writeFileSync(join(dir, 'a'), 'x')
    fs.linkSync(join(dir, 'a'), join(dir, 'b'))
    fs.appendFileSync(join(dir, 'b'), 'y')
    const [a, b] = [fs.statSync(join(dir, 'a')), fs.statSync(join(dir, 'b'))]
    expect(a.ino).to.equal(b.ino)
    expect(a).to.include({ nlink: 2, size: 2 })
  },
  'create: O_EXCL refuses, O_TRUNC empties, O_APPEND goes to the end': (dir) => {
    const path = join(dir, 'f')
    fs.closeSync(fs.openSync(path, O_CREAT | O_EXCL | O_RDWR, 0o600))
    expect(errnoOf(() => fs.openSync(path, O_CREAT | O_EXCL | O_RDWR))).to.equal('EEXIST')
    fs.writeFileSync(path, 'twelve bytes')
    const fd = fs.openSync(path, O_RDWR | O_APPEND)
    fs.writeSync(fd, '!')
    fs.closeSync(fd)
    expect(fs.readFileSync(path, 'utf8')).to.equal('twelve bytes!')
    fs.closeSync(fs.openSync(path, O_RDWR | O_TRUNC))
    expect(fs.statSync(path).size).to.equal(0)
  },
  'read and write: every size and offset around pages and requests': (dir) => {
    const path = join(dir, 'f')
    const model = Buffer.alloc(4 * MIB)
    const fd = fs.openSync(path, 'w+')
    for (const at of [0, 1, 4095, 4096, 65_535, MIB - 1, MIB, 2 * MIB + 7]) {
      for (const length of [1, 4097, 131_073, MIB + 3]) {
        const data = Buffer.alloc(length, (at + length) % 251)
        fs.writeSync(fd, data, 0, length, at)
        data.copy(model, at)
      }
    }
    const { size } = fs.fstatSync(fd)
    fs.closeSync(fd)
    expect(fs.readFileSync(path).equals(model.subarray(0, size))).to.equal(true)
  },
  'write: beyond 2^53 is EFBIG': (dir) => {
    const fd = fs.openSync(join(dir, 'f'), 'w')
    const far = 2n ** 60n
    expect(errnoOf(() => call('pwrite', fd, Buffer.from('x'), 1, far))).to.equal('EFBIG')
    expect(errnoOf(() => call('fallocate', fd, 0, far, 10n))).to.equal('EFBIG')
    fs.closeSync(fd)
  },
  'setattr: a change of owner takes set-user-ID from the file': (dir) => {
    const path = join(dir, 'f')
    fs.writeFileSync(path, 'x')
    fs.chmodSync(path, 0o6777)
    fs.chownSync(path, process.getuid?.() ?? 0, process.getgid?.() ?? 0)
    expect(fs.statSync(path).mode & 0o7000).to.equal(0)
  },
  'fsync, fdatasync and fsync of a directory': (dir) => {
    const fd = fs.openSync(join(dir, 'f'), 'w')
    fs.writeSync(fd, 'x')
    fs.fsyncSync(fd)
    fs.fdatasyncSync(fd)
    fs.closeSync(fd)
    const directory = fs.openSync(dir, 'r')
    fs.fsyncSync(directory)
    fs.closeSync(directory)
  },
  'statfs: sane numbers': (dir) => {
    const { bsize, blocks, bavail } = fs.statfsSync(dir)
    expect(bsize).to.be.greaterThan(0)
    expect(blocks).to.be.at.least(bavail)
  },
  'readdir: a thousand entries, each once, after half were removed while reading': (dir) => {
    const names = Array.from(
      { length: 1000 },
      (_, index) => `entry ${index} ${'x'.repeat(index % 90)}`,
    )
    for (const name of names) fs.writeFileSync(join(dir, name), '')
    expect(fs.readdirSync(dir).sort()).to.deep.equal([...names].sort())
    const open = fs.opendirSync(dir, { bufferSize: 100 })
    const seen = Array.from({ length: 300 }, () => open.readSync()?.name)
    for (const name of names.slice(500)) fs.unlinkSync(join(dir, name))
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) seen.push(entry.name)
    open.closeSync()
    expect(new Set(seen).size).to.equal(seen.length)
    expect(seen).to.include.members(names.slice(0, 500))
    expect(fs.readdirSync(dir).length).to.equal(500)
  },
  'readdirplus: ls -l shows types, sizes and counts': (dir) => {
    shell(dir, 'mkdir d; printf 123 > f; ln -s f l; ln f h; mkfifo p')
    const listed = shell(dir, "LC_ALL=C ls -l | awk 'NR > 1 { print substr($1, 1, 1), $2, $9 }'")
    expect(listed).to.equal('d 2 d\n- 2 f\n- 2 h\nl 1 l\np 1 p\n')
  },
  'xattrs: sizes, ERANGE, XATTR_CREATE, XATTR_REPLACE, list, remove': (dir) => {
    const path = join(dir, 'f')
    fs.writeFileSync(path, '')
    const value = Buffer.from('v\0\xff', 'latin1')
    call('setxattr', path, 'user.one', value, value.length, 0)
    call('setxattr', path, 'user.empty', Buffer.alloc(1), 0, 0)
    const buffer = Buffer.alloc(100)
    expect(call('getxattr', path, 'user.one', null, 0)).to.equal(3)
    expect(call('getxattr', path, 'user.one', buffer, 100)).to.equal(3)
    expect(buffer.subarray(0, 3)).to.deep.equal(value)
    expect(call('getxattr', path, 'user.empty', buffer, 100)).to.equal(0)
    expect(errnoOf(() => call('getxattr', path, 'user.one', buffer, 2))).to.equal('ERANGE')
    expect(errnoOf(() => call('getxattr', path, 'user.no', buffer, 2))).to.equal('ENODATA')
    expect(errnoOf(() => call('setxattr', path, 'user.one', value, 3, 1))).to.equal('EEXIST')
    expect(errnoOf(() => call('setxattr', path, 'user.no', value, 3, 2))).to.equal('ENODATA')
    const length = call('listxattr', path, null, 0)
    expect(call('listxattr', path, buffer, 100)).to.equal(length)
    const names = buffer.toString('utf8', 0, length).split('\0')
    expect(names).to.include.members(['user.one', 'user.empty'])
    expect(errnoOf(() => call('listxattr', path, buffer, 3))).to.equal('ERANGE')
    call('removexattr', path, 'user.one')
    expect(errnoOf(() => call('removexattr', path, 'user.one'))).to.equal('ENODATA')
  },
  'fallocate: grows, keeps the size, punches holes': (dir) => {
    const fd = fs.openSync(join(dir, 'f'), 'w+')
    fs.writeSync(fd, Buffer.alloc(3 * MIB, 1))
    call('fallocate', fd, KEEP_SIZE, 0, 10 * MIB)
    expect(fs.fstatSync(fd).size).to.equal(3 * MIB)
    call('fallocate', fd, 0, 0, 4 * MIB)
    expect(fs.fstatSync(fd).size).to.equal(4 * MIB)
    call('fallocate', fd, PUNCH_HOLE | KEEP_SIZE, MIB, MIB)
    const read = Buffer.alloc(1)
    const at = (offset: number) => {
      fs.readSync(fd, read, 0, 1, offset)
      return read[0]
    }
    expect([at(MIB - 1), at(MIB), at(2 * MIB - 1), at(2 * MIB)]).to.deep.equal([1, 0, 0, 1])
    fs.closeSync(fd)
  },
  'lseek: SEEK_DATA, SEEK_HOLE, ENXIO': (dir) => {
    const fd = fs.openSync(join(dir, 'f'), 'w+')
    fs.writeSync(fd, Buffer.alloc(10), 0, 10, 5 * MIB)
    expect(call('lseek', fd, 0, SEEK_HOLE)).to.equal(0)
    expect(call('lseek', fd, 0, SEEK_DATA)).to.be.within(1, 5 * MIB)
    expect(call('lseek', fd, 5 * MIB, SEEK_HOLE)).to.equal(5 * MIB + 10)
    expect(errnoOf(() => call('lseek', fd, 6 * MIB, SEEK_DATA))).to.equal('ENXIO')
    fs.closeSync(fd)
  },
  'copy_file_range: copies within the file system': (dir) => {
    const data = Buffer.alloc(3 * MIB, 'coffer')
    fs.writeFileSync(join(dir, 'a'), data)
    const from = fs.openSync(join(dir, 'a'), 'r')
    const to = fs.openSync(join(dir, 'b'), 'w')
    let left = data.length
    while (left > 0) left -= call('copy_file_range', from, null, to, null, left, 0)
    fs.closeSync(from)
    fs.closeSync(to)
    expect(fs.readFileSync(join(dir, 'b')).equals(data)).to.equal(true)
  },
  'locks: flock(2) of one host': (dir) => {
    expect(shell(dir, ': > f; flock f -c "flock -n f true && echo both || echo one"')).to.equal(
      'one\n',
    )
  },
}

/** Names a file system may refuse, but must not mangle. */
export function namesThatAreNotUtf8(dir: string): string {
  const name = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x66, 0xff, 0xfe])])
  return errnoOf(() => fs.writeFileSync(name, 'x'))
}
