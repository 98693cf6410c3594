import { constants, mkdir, open, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import { withUmask } from './libc.js'

const {
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_APPEND,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_SYNC,
} = constants

async function opened(path: string, flags: number, mode = 0o644): Promise<void> {
  await (await open(path, flags, mode)).close()
}

/** open(2), creat(2), close(2) */
export const openCases: Cases = {
  'O_CREAT makes an empty file': async (dir) => {
    await opened(join(dir, 'a'), O_WRONLY | O_CREAT)
    expect((await stat(join(dir, 'a'))).size).to.equal(0)
  },
  'O_CREAT gives the mode asked for': async (dir) => {
    await opened(join(dir, 'a'), O_WRONLY | O_CREAT, 0o751)
    expect((await stat(join(dir, 'a'))).mode & 0o7777).to.equal(0o751 & ~process.umask())
  },
  'O_CREAT takes the umask away from the mode': async (dir) => {
    await withUmask(0o077, () => opened(join(dir, 'a'), O_WRONLY | O_CREAT, 0o666))
    expect((await stat(join(dir, 'a'))).mode & 0o7777).to.equal(0o600)
  },
  'O_CREAT with mode 0 still lets this descriptor write': async (dir) => {
    const file = await open(join(dir, 'a'), O_WRONLY | O_CREAT, 0)
    await file.write('x')
    await file.close()
    expect((await stat(join(dir, 'a'))).size).to.equal(1)
  },
  'O_CREAT leaves what is there alone': async (dir) => {
    await writeFile(join(dir, 'a'), 'kept', { mode: 0o600 })
    await opened(join(dir, 'a'), O_WRONLY | O_CREAT, 0o777)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('kept')
    expect((await stat(join(dir, 'a'))).mode & 0o7777).to.equal(0o600)
  },
  'O_CREAT in a directory that is missing is ENOENT': (dir) =>
    fails('ENOENT', opened(join(dir, 'no', 'a'), O_WRONLY | O_CREAT)),
  'O_CREAT below a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', opened(join(dir, 'a', 'b'), O_WRONLY | O_CREAT))
  },
  'O_CREAT of a directory is EISDIR': async (dir) => {
    await mkdir(join(dir, 'a'))
    await fails('EISDIR', opened(join(dir, 'a'), O_WRONLY | O_CREAT))
  },
  'O_CREAT through a dangling symlink makes its target': async (dir) => {
    await symlink('target', join(dir, 'a'))
    await opened(join(dir, 'a'), O_WRONLY | O_CREAT)
    expect((await stat(join(dir, 'target'))).isFile()).to.equal(true)
  },
  'O_EXCL makes what is not there': async (dir) => {
    await opened(join(dir, 'a'), O_WRONLY | O_CREAT | O_EXCL)
    expect((await stat(join(dir, 'a'))).isFile()).to.equal(true)
  },
  'O_EXCL of a file is EEXIST': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('EEXIST', opened(join(dir, 'a'), O_WRONLY | O_CREAT | O_EXCL))
  },
  'O_EXCL of a directory is EEXIST': async (dir) => {
    await mkdir(join(dir, 'a'))
    await fails('EEXIST', opened(join(dir, 'a'), O_WRONLY | O_CREAT | O_EXCL))
  },
  'O_EXCL of a dangling symlink is EEXIST': async (dir) => {
    await symlink('nowhere', join(dir, 'a'))
    await fails('EEXIST', opened(join(dir, 'a'), O_WRONLY | O_CREAT | O_EXCL))
  },
  'O_EXCL from many at once has one winner': async (dir) => {
    const attempts = Array.from({ length: 12 }, () =>
      opened(join(dir, 'lock'), O_WRONLY | O_CREAT | O_EXCL),
    )
    const settled = await Promise.allSettled(attempts)
    expect(settled.filter((attempt) => attempt.status === 'fulfilled')).to.have.length(1)
  },
  'open of a missing file is ENOENT': (dir) => fails('ENOENT', opened(join(dir, 'a'), O_RDONLY)),
  'open with a slash after a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', opened(`${join(dir, 'a')}/`, O_RDONLY))
  },
  'open of a directory for reading works': (dir) => opened(dir, O_RDONLY),
  'open of a directory for writing is EISDIR': (dir) => fails('EISDIR', opened(dir, O_WRONLY)),
  'reading a directory descriptor is EISDIR': async (dir) => {
    const directory = await open(dir, O_RDONLY)
    await fails('EISDIR', directory.read(Buffer.alloc(1), 0, 1, 0))
    await directory.close()
  },
  'O_DIRECTORY of a directory works': (dir) => opened(dir, O_RDONLY | O_DIRECTORY),
  'O_DIRECTORY of a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', opened(join(dir, 'a'), O_RDONLY | O_DIRECTORY))
  },
  'O_NOFOLLOW of a file works': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await opened(join(dir, 'a'), O_RDONLY | O_NOFOLLOW)
  },
  'O_NOFOLLOW of a symlink is ELOOP': async (dir) => {
    await symlink('a', join(dir, 'b'))
    await fails('ELOOP', opened(join(dir, 'b'), O_RDONLY | O_NOFOLLOW))
  },
  'O_TRUNC empties a file': async (dir) => {
    await writeFile(join(dir, 'a'), 'content')
    await opened(join(dir, 'a'), O_WRONLY | O_TRUNC)
    expect((await stat(join(dir, 'a'))).size).to.equal(0)
  },
  'O_TRUNC keeps mode and inode number': async (dir) => {
    await writeFile(join(dir, 'a'), 'content', { mode: 0o640 })
    const before = await stat(join(dir, 'a'))
    await opened(join(dir, 'a'), O_WRONLY | O_CREAT | O_TRUNC, 0o777)
    const after = await stat(join(dir, 'a'))
    expect([after.ino, after.mode]).to.deep.equal([before.ino, before.mode])
  },
  'O_TRUNC is seen through another descriptor': async (dir) => {
    await writeFile(join(dir, 'a'), 'content')
    const reader = await open(join(dir, 'a'), O_RDONLY)
    await opened(join(dir, 'a'), O_WRONLY | O_TRUNC)
    expect((await reader.stat()).size).to.equal(0)
    expect((await reader.read(Buffer.alloc(8), 0, 8, 0)).bytesRead).to.equal(0)
    await reader.close()
  },
  'writing to an O_RDONLY descriptor is EBADF': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    const file = await open(join(dir, 'a'), O_RDONLY)
    await fails('EBADF', file.write('x'))
    await file.close()
  },
  'reading from an O_WRONLY descriptor is EBADF': async (dir) => {
    const file = await open(join(dir, 'a'), O_WRONLY | O_CREAT)
    await fails('EBADF', file.read(Buffer.alloc(1), 0, 1, 0))
    await file.close()
  },
  'O_RDWR reads what it wrote': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.write('hello', 0)
    const { buffer } = await file.read(Buffer.alloc(5), 0, 5, 0)
    await file.close()
    expect(buffer.toString()).to.equal('hello')
  },
  'what one descriptor wrote another reads before any close': async (dir) => {
    const writer = await open(join(dir, 'a'), O_WRONLY | O_CREAT)
    const reader = await open(join(dir, 'a'), O_RDONLY)
    await writer.write('hello', 0)
    const { buffer, bytesRead } = await reader.read(Buffer.alloc(8), 0, 8, 0)
    await Promise.all([writer.close(), reader.close()])
    expect(buffer.toString('utf8', 0, bytesRead)).to.equal('hello')
  },
  'O_SYNC writes are there for another descriptor': async (dir) => {
    const file = await open(join(dir, 'a'), O_WRONLY | O_CREAT | O_SYNC)
    await file.write('synced')
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('synced')
    await file.close()
  },
  'O_APPEND writes at the end whatever the position': async (dir) => {
    await writeFile(join(dir, 'a'), 'one')
    const file = await open(join(dir, 'a'), O_WRONLY | O_APPEND)
    await file.write('two')
    await file.write('three')
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('onetwothree')
  },
  'O_APPEND finds the end that another descriptor moved': async (dir) => {
    const first = await open(join(dir, 'a'), O_WRONLY | O_CREAT | O_APPEND)
    const second = await open(join(dir, 'a'), O_WRONLY | O_APPEND)
    for (const text of ['1', '2', '3']) {
      await first.write(`a${text}`)
      await second.write(`b${text}`)
    }
    await Promise.all([first.close(), second.close()])
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('a1b1a2b2a3b3')
  },
  'two hundred files are open at once': async (dir) => {
    const names = Array.from({ length: 200 }, (_, index) => join(dir, `f${index}`))
    const files = await Promise.all(names.map((name) => open(name, O_RDWR | O_CREAT)))
    await Promise.all(files.map((file, index) => file.write(`content ${index}`)))
    await Promise.all(files.map((file) => file.close()))
    expect(await readFile(join(dir, 'f137'), 'utf8')).to.equal('content 137')
  },
}
