import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  open,
  readFile,
  stat,
  statfs,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import { UTIME_NOW, UTIME_OMIT, utimensat } from './libc.js'

const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777
const times = (path: string) => stat(path, { bigint: true })
const BILLION = 1_000_000_000n
const now = (): bigint => BigInt(Date.now()) * 1_000_000n
const SLACK = 10n * BILLION

async function file(dir: string): Promise<string> {
  await writeFile(join(dir, 'a'), 'content')
  return join(dir, 'a')
}

/** chmod(2), chown(2), utimensat(2), stat(2), statfs(2) */
export const attributeCases: Cases = {
  'chmod sets all twelve bits of a file': async (dir) => {
    const path = await file(dir)
    for (const bits of [0o000, 0o400, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o1777]) {
      await chmod(path, bits)
      expect(await mode(path)).to.equal(bits)
    }
  },
  'chmod sets the bits of a directory': async (dir) => {
    await mkdir(join(dir, 'd'))
    await chmod(join(dir, 'd'), 0o1750)
    expect(await mode(join(dir, 'd'))).to.equal(0o1750)
    expect((await stat(join(dir, 'd'))).isDirectory()).to.equal(true)
  },
  'chmod of what is missing is ENOENT': (dir) => fails('ENOENT', chmod(join(dir, 'a'), 0o600)),
  'chmod follows a symlink': async (dir) => {
    const path = await file(dir)
    await symlink('a', join(dir, 'l'))
    await chmod(join(dir, 'l'), 0o600)
    expect(await mode(path)).to.equal(0o600)
  },
  'fchmod of an open file works': async (dir) => {
    const path = await file(dir)
    const opened = await open(path, 'r+')
    await opened.chmod(0o640)
    await opened.close()
    expect(await mode(path)).to.equal(0o640)
  },
  'fchmod of a file that is being written survives the writing': async (dir) => {
    const opened = await open(join(dir, 'a'), 'w', 0o600)
    await opened.write('one')
    await opened.chmod(0o755)
    await opened.write('two')
    await opened.close()
    expect(await mode(join(dir, 'a'))).to.equal(0o755)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('onetwo')
  },
  'chmod changes ctime and leaves mtime': async (dir) => {
    const path = await file(dir)
    const before = await times(path)
    await chmod(path, 0o600)
    const after = await times(path)
    expect(after.mtimeNs).to.equal(before.mtimeNs)
    expect(after.ctimeNs > before.ctimeNs).to.equal(true)
  },
  'chown to oneself works': async (dir) => {
    const path = await file(dir)
    const { uid, gid } = await stat(path)
    await chown(path, uid, gid)
    expect(await stat(path)).to.include({ uid, gid })
  },
  'a new file belongs to its maker': async (dir) => {
    const made = await stat(await file(dir))
    expect(made.uid).to.equal(process.geteuid?.())
  },
  'lchown changes a symlink and not its target': async (dir) => {
    const path = await file(dir)
    await symlink('a', join(dir, 'l'))
    const { uid, gid } = await lstat(join(dir, 'l'))
    await lchown(join(dir, 'l'), uid, gid)
    expect((await lstat(path)).isFile()).to.equal(true)
  },
  'utimensat sets nanoseconds exactly': async (dir) => {
    const path = await file(dir)
    await utimensat(path, [1_234_567_890, 123_456_789], [987_654_321, 987_654_321])
    const set = await times(path)
    expect(set.atimeNs).to.equal(1_234_567_890_123_456_789n)
    expect(set.mtimeNs).to.equal(987_654_321_987_654_321n)
  },
  'utimensat with UTIME_OMIT leaves one time alone': async (dir) => {
    const path = await file(dir)
    await utimensat(path, [1, 2], [3, 4])
    await utimensat(path, [0, UTIME_OMIT], [5, 6])
    const set = await times(path)
    expect([set.atimeNs, set.mtimeNs]).to.deep.equal([1_000_000_002n, 5_000_000_006n])
    await utimensat(path, [7, 8], [0, UTIME_OMIT])
    expect((await times(path)).mtimeNs).to.equal(5_000_000_006n)
  },
  'utimensat with UTIME_NOW sets the present': async (dir) => {
    const path = await file(dir)
    await utimensat(path, [1, 0], [1, 0])
    await utimensat(path, [0, UTIME_NOW], [0, UTIME_NOW])
    const { mtimeNs } = await times(path)
    expect(mtimeNs > now() - SLACK && mtimeNs < now() + SLACK).to.equal(true)
  },
  'utimensat takes a time before 1970': async (dir) => {
    const path = await file(dir)
    await utimensat(path, [-100, 0], [-100, 5])
    expect((await times(path)).mtimeNs).to.equal(-100n * BILLION + 5n)
  },
  'utimensat takes a time after 2038': async (dir) => {
    const path = await file(dir)
    await utimensat(path, [5_000_000_000, 1], [5_000_000_000, 1])
    expect((await times(path)).mtimeNs).to.equal(5_000_000_000n * BILLION + 1n)
  },
  'utimensat of a directory works': async (dir) => {
    await mkdir(join(dir, 'd'))
    await utimensat(join(dir, 'd'), [11, 12], [13, 14])
    expect((await times(join(dir, 'd'))).mtimeNs).to.equal(13n * BILLION + 14n)
  },
  'utimensat of a symlink leaves its target alone': async (dir) => {
    const path = await file(dir)
    const before = await times(path)
    await symlink('a', join(dir, 'l'))
    await utimensat(join(dir, 'l'), [21, 22], [23, 24], { followLinks: false })
    expect((await lstat(join(dir, 'l'), { bigint: true })).mtimeNs).to.equal(23n * BILLION + 24n)
    expect((await times(path)).mtimeNs).to.equal(before.mtimeNs)
  },
  'utimensat of what is missing is ENOENT': (dir) =>
    fails('ENOENT', utimensat(join(dir, 'a'), [1, 1], [1, 1])),
  'futimes of a file that is being written survives the close': async (dir) => {
    const opened = await open(join(dir, 'a'), 'w')
    await opened.write('archived')
    await opened.utimes(1_000_000, 2_000_000)
    await opened.close()
    expect((await times(join(dir, 'a'))).mtimeNs).to.equal(2_000_000n * BILLION)
  },
  'setting times changes ctime': async (dir) => {
    const path = await file(dir)
    const before = await times(path)
    await utimes(path, 1, 1)
    expect((await times(path)).ctimeNs > before.ctimeNs).to.equal(true)
  },
  'writing changes mtime and ctime': async (dir) => {
    const path = await file(dir)
    await utimes(path, 1, 1)
    const before = await times(path)
    await writeFile(path, 'more')
    const after = await times(path)
    expect(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs).to.equal(true)
  },
  'writing through an open descriptor changes mtime': async (dir) => {
    const path = await file(dir)
    await utimes(path, 1, 1)
    const opened = await open(path, 'r+')
    await opened.write('X')
    await opened.close()
    expect((await times(path)).mtimeNs > now() - SLACK).to.equal(true)
  },
  'reading leaves mtime and ctime': async (dir) => {
    const path = await file(dir)
    const before = await times(path)
    await readFile(path)
    const after = await times(path)
    expect([after.mtimeNs, after.ctimeNs]).to.deep.equal([before.mtimeNs, before.ctimeNs])
  },
  'truncate changes mtime': async (dir) => {
    const path = await file(dir)
    await utimes(path, 1, 1)
    await truncate(path, 2)
    expect((await times(path)).mtimeNs > now() - SLACK).to.equal(true)
  },
  'a new file has the present as its times': async (dir) => {
    const { atimeNs, mtimeNs, ctimeNs } = await times(await file(dir))
    for (const time of [atimeNs, mtimeNs, ctimeNs])
      expect(time > now() - SLACK && time < now() + SLACK).to.equal(true)
  },
  'stat and fstat agree': async (dir) => {
    const path = await file(dir)
    const opened = await open(path, 'r')
    const [byName, byDescriptor] = [await times(path), await opened.stat({ bigint: true })]
    await opened.close()
    for (const field of ['ino', 'size', 'mode', 'mtimeNs', 'ctimeNs', 'nlink', 'uid'] as const)
      expect(byDescriptor[field], field).to.equal(byName[field])
  },
  'inode numbers tell files apart and stay': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await writeFile(join(dir, 'b'), '')
    const [a, b] = [(await stat(join(dir, 'a'))).ino, (await stat(join(dir, 'b'))).ino]
    expect(a).to.not.equal(b)
    await writeFile(join(dir, 'a'), 'changed')
    expect((await stat(join(dir, 'a'))).ino).to.equal(a)
  },
  'st_blocks says that content takes room': async (dir) => {
    await writeFile(join(dir, 'a'), Buffer.alloc(64 * 1024, 1))
    const opened = await open(join(dir, 'a'), 'r')
    await opened.sync()
    expect((await opened.stat()).blocks).to.be.at.least(128)
    await opened.close()
  },
  'statfs answers plausible totals': async (dir) => {
    const totals = await statfs(dir)
    expect(totals.bsize).to.be.above(0)
    expect(totals.blocks).to.be.above(0)
    expect(totals.bfree).to.be.at.most(totals.blocks)
    expect(totals.bavail).to.be.at.most(totals.bfree)
    expect(totals.bavail).to.be.above(0)
  },
}

/** What only a superuser may do. */
export const ownerCases: Cases = {
  'chown gives a file away': async (dir) => {
    const path = await file(dir)
    await chown(path, 1234, 4321)
    expect(await stat(path)).to.include({ uid: 1234, gid: 4321 })
  },
  'chown of the group alone leaves the owner': async (dir) => {
    const path = await file(dir)
    await chown(path, 1234, 4321)
    await chown(path, -1, 77)
    expect(await stat(path)).to.include({ uid: 1234, gid: 77 })
  },
  'fchown of an open file works': async (dir) => {
    const opened = await open(join(dir, 'a'), 'w')
    await opened.chown(12, 34)
    await opened.close()
    expect(await stat(join(dir, 'a'))).to.include({ uid: 12, gid: 34 })
  },
  'lchown gives a symlink away and not its target': async (dir) => {
    const path = await file(dir)
    await symlink('a', join(dir, 'l'))
    await lchown(join(dir, 'l'), 55, 66)
    expect(await lstat(join(dir, 'l'))).to.include({ uid: 55, gid: 66 })
    expect((await stat(path)).uid).to.not.equal(55)
  },
  'chown changes ctime': async (dir) => {
    const path = await file(dir)
    const before = await times(path)
    await chown(path, 1, 1)
    expect((await times(path)).ctimeNs > before.ctimeNs).to.equal(true)
  },
  'a directory with set-group-ID passes its group on, and what is new there has it at once': async (
    dir,
  ) => {
    await chown(dir, 0, 77)
    await chmod(dir, 0o2755)
    const opened = await open(join(dir, 'a'), 'w')
    expect((await opened.stat()).gid).to.equal(77)
    await opened.close()
    expect((await stat(join(dir, 'a'))).gid).to.equal(77)
    await mkdir(join(dir, 'd'))
    expect((await stat(join(dir, 'd'))).gid).to.equal(77)
  },
}
