import {
  constants,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import { linkOpen, MAP_SHARED, mmap } from './libc.js'

const { O_RDONLY, O_RDWR, O_WRONLY, O_EXCL, O_DIRECTORY } = constants
const O_TMPFILE = 0o20000000 | O_DIRECTORY

const [major = 0, minor = 0] = release().split('.').map(Number)
/** The kernel asks a FUSE file system for it since Linux 6.1. */
export const hasTmpfile = major > 6 || (major === 6 && minor >= 1)

/** open(2), O_TMPFILE */
export const tmpfileCases: Cases = {
  'what is written is read, and nobody sees a name': async (dir) => {
    const file = await open(dir, O_TMPFILE | O_RDWR, 0o600)
    await file.write('unnamed', 0)
    const { buffer } = await file.read(Buffer.alloc(7), 0, 7, 0)
    expect(buffer.toString()).to.equal('unnamed')
    expect(await readdir(dir)).to.deep.equal([])
    const { nlink, size, mode } = await file.stat()
    expect({ nlink, size, mode: mode & 0o7777 }).to.deep.equal({ nlink: 0, size: 7, mode: 0o600 })
    await file.close()
    expect(await readdir(dir)).to.deep.equal([])
  },
  'it may be given a name, by which it stays': async (dir) => {
    const file = await open(dir, O_TMPFILE | O_WRONLY, 0o640)
    await file.write('first ')
    await linkOpen(file.fd, join(dir, 'a'))
    expect((await file.stat()).nlink).to.equal(1)
    await file.write('second')
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('first second')
    const { nlink, mode } = await stat(join(dir, 'a'))
    expect([nlink, mode & 0o7777]).to.deep.equal([1, 0o640])
    await link(join(dir, 'a'), join(dir, 'b'))
    expect((await stat(join(dir, 'b'))).nlink).to.equal(2)
  },
  'it may be given a name in another directory, and keeps its inode number': async (dir) => {
    await mkdir(join(dir, 'd'))
    const file = await open(dir, O_TMPFILE | O_RDWR, 0o600)
    const { ino } = await file.stat()
    await linkOpen(file.fd, join(dir, 'd', 'a'))
    await file.close()
    expect((await stat(join(dir, 'd', 'a'))).ino).to.equal(ino)
  },
  'a name that is taken is EEXIST, and another one can be tried': async (dir) => {
    await writeFile(join(dir, 'a'), 'there')
    const file = await open(dir, O_TMPFILE | O_RDWR, 0o600)
    await file.write('mine')
    await fails('EEXIST', linkOpen(file.fd, join(dir, 'a')))
    await linkOpen(file.fd, join(dir, 'b'))
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('there')
    expect(await readFile(join(dir, 'b'), 'utf8')).to.equal('mine')
  },
  'with O_EXCL it can never be given a name': async (dir) => {
    const file = await open(dir, O_TMPFILE | O_RDWR | O_EXCL, 0o600)
    await fails('ENOENT', linkOpen(file.fd, join(dir, 'a')))
    await file.close()
  },
  'a file that lost its name does not get one again': async (dir) => {
    const file = await open(dir, O_TMPFILE | O_RDWR, 0o600)
    await linkOpen(file.fd, join(dir, 'a'))
    await unlink(join(dir, 'a'))
    await fails('ENOENT', linkOpen(file.fd, join(dir, 'b')))
    await file.close()
  },
  'two descriptors of it share it': async (dir) => {
    const file = await open(dir, O_TMPFILE | O_RDWR, 0o600)
    const again = await open(`/proc/self/fd/${file.fd}`, O_RDWR)
    await file.write('shared', 0)
    await file.close()
    const { buffer } = await again.read(Buffer.alloc(6), 0, 6, 0)
    expect(buffer.toString()).to.equal('shared')
    await again.close()
  },
  'mode, times and size of it can be changed, and stay': async (dir) => {
    const file = await open(dir, O_TMPFILE | O_RDWR, 0o600)
    await file.write('too long')
    await file.truncate(3)
    await file.chmod(0o755)
    await file.utimes(5, 6)
    await file.sync()
    await linkOpen(file.fd, join(dir, 'a'))
    await file.close()
    const { mode, mtimeMs, size } = await stat(join(dir, 'a'))
    expect([mode & 0o7777, mtimeMs, size]).to.deep.equal([0o755, 6000, 3])
  },
  'what is written to memory after it was named and closed is kept': async (dir) => {
    const file = await open(dir, O_TMPFILE | O_RDWR, 0o600)
    await file.truncate(4096)
    const mapping = await mmap(file.fd, 4096, MAP_SHARED)
    await linkOpen(file.fd, join(dir, 'a'))
    await file.close()
    mapping.write('through memory')
    mapping.munmap()
    expect((await readFile(join(dir, 'a'), 'utf8')).slice(0, 14)).to.equal('through memory')
  },
  'O_TMPFILE for reading only is EINVAL': (dir) =>
    fails('EINVAL', open(dir, O_TMPFILE | O_RDONLY, 0o600)),
  'O_TMPFILE in a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', open(join(dir, 'a'), O_TMPFILE | O_RDWR, 0o600))
  },
}
