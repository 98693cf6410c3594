import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'

const text = (path: string): Promise<string> => readFile(path, 'utf8')

/** link(2), unlink(2) */
export const linkCases: Cases = {
  'a hard link is the same file': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await link(join(dir, 'a'), join(dir, 'b'))
    const [a, b] = [await stat(join(dir, 'a')), await stat(join(dir, 'b'))]
    expect([b.ino, b.nlink]).to.deep.equal([a.ino, 2])
    expect(a.nlink).to.equal(2)
  },
  'what is written under one name is read under the other': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await link(join(dir, 'a'), join(dir, 'b'))
    await writeFile(join(dir, 'b'), 'changed')
    expect(await text(join(dir, 'a'))).to.equal('changed')
  },
  'a hard link in another directory': async (dir) => {
    await mkdir(join(dir, 'd'))
    await writeFile(join(dir, 'a'), 'x')
    await link(join(dir, 'a'), join(dir, 'd', 'b'))
    expect(await text(join(dir, 'd', 'b'))).to.equal('x')
  },
  'link over what exists is EEXIST': async (dir) => {
    await writeFile(join(dir, 'a'), 'a')
    await writeFile(join(dir, 'b'), 'b')
    await fails('EEXIST', link(join(dir, 'a'), join(dir, 'b')))
    expect(await text(join(dir, 'b'))).to.equal('b')
  },
  'link of what is missing is ENOENT': (dir) =>
    fails('ENOENT', link(join(dir, 'a'), join(dir, 'b'))),
  'link into a directory that is missing is ENOENT': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOENT', link(join(dir, 'a'), join(dir, 'no', 'b')))
  },
  'link of a directory is EPERM': async (dir) => {
    await mkdir(join(dir, 'a'))
    await fails('EPERM', link(join(dir, 'a'), join(dir, 'b')))
  },
  'link of a symlink links the symlink': async (dir) => {
    await symlink('nowhere', join(dir, 'a'))
    await link(join(dir, 'a'), join(dir, 'b'))
    expect(await readlink(join(dir, 'b'))).to.equal('nowhere')
    expect((await lstat(join(dir, 'a'))).nlink).to.equal(2)
  },
  'link changes the ctime': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    const before = await stat(join(dir, 'a'), { bigint: true })
    await link(join(dir, 'a'), join(dir, 'b'))
    const after = await stat(join(dir, 'a'), { bigint: true })
    expect(after.ctimeNs > before.ctimeNs).to.equal(true)
    expect(after.mtimeNs).to.equal(before.mtimeNs)
  },
  'unlink of one of two names leaves the other': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await link(join(dir, 'a'), join(dir, 'b'))
    await unlink(join(dir, 'a'))
    expect(await text(join(dir, 'b'))).to.equal('x')
    expect((await stat(join(dir, 'b'))).nlink).to.equal(1)
  },
  'unlink of what is missing is ENOENT': (dir) => fails('ENOENT', unlink(join(dir, 'a'))),
  'unlink of a directory is EISDIR': async (dir) => {
    await mkdir(join(dir, 'a'))
    await fails(['EISDIR', 'EPERM'], unlink(join(dir, 'a')))
  },
  'unlink below a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', unlink(join(dir, 'a', 'b')))
  },
  'an unlinked file stays usable while it is open': async (dir) => {
    await writeFile(join(dir, 'a'), 'still here')
    const file = await open(join(dir, 'a'), 'r+')
    await unlink(join(dir, 'a'))
    expect(await file.readFile('utf8')).to.equal('still here')
    await file.write('WRITTEN', 0)
    expect((await file.read(Buffer.alloc(7), 0, 7, 0)).buffer.toString()).to.equal('WRITTEN')
    expect((await file.stat()).nlink).to.equal(0)
    await file.close()
  },
  'an unlinked open file leaves nothing in the directory': async (dir) => {
    const file = await open(join(dir, 'a'), 'w')
    await file.write('x')
    await unlink(join(dir, 'a'))
    expect(await readdir(dir)).to.deep.equal([])
    await file.close()
    expect(await readdir(dir)).to.deep.equal([])
  },
  'a new file under the name of an unlinked open one is another file': async (dir) => {
    const old = await open(join(dir, 'a'), 'w+')
    await old.write('old')
    await unlink(join(dir, 'a'))
    await writeFile(join(dir, 'a'), 'new')
    expect((await old.read(Buffer.alloc(3), 0, 3, 0)).buffer.toString()).to.equal('old')
    await old.close()
    expect(await text(join(dir, 'a'))).to.equal('new')
  },
  'an unlinked open file can be cut and extended': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.write('0123456789')
    await unlink(join(dir, 'a'))
    await file.truncate(4)
    await file.truncate(6)
    expect((await file.stat()).size).to.equal(6)
    await file.close()
  },
  'a file made, opened and unlinked never has to be stored': async (dir) => {
    for (let round = 0; round < 20; round++) {
      const file = await open(join(dir, `tmp${round}`), 'wx+')
      await unlink(join(dir, `tmp${round}`))
      await file.write(`round ${round}`)
      expect((await file.read(Buffer.alloc(8), 0, 8, 0)).bytesRead).to.be.above(6)
      await file.close()
    }
    expect(await readdir(dir)).to.deep.equal([])
  },
}

/** symlink(2), readlink(2), path resolution */
export const symlinkCases: Cases = {
  'a symlink says where it points': async (dir) => {
    await symlink('some/where else', join(dir, 'a'))
    expect(await readlink(join(dir, 'a'))).to.equal('some/where else')
  },
  'the size of a symlink is the length of its target': async (dir) => {
    await symlink('zwölf', join(dir, 'a'))
    expect((await lstat(join(dir, 'a'))).size).to.equal(Buffer.byteLength('zwölf'))
  },
  'a symlink to a file is followed': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await symlink('a', join(dir, 'b'))
    expect(await text(join(dir, 'b'))).to.equal('x')
  },
  'a symlink to a directory is followed': async (dir) => {
    await mkdir(join(dir, 'd'))
    await writeFile(join(dir, 'd', 'a'), 'x')
    await symlink('d', join(dir, 'l'))
    expect(await text(join(dir, 'l', 'a'))).to.equal('x')
  },
  'a symlink with .. is resolved from where it stands': async (dir) => {
    await mkdir(join(dir, 'd', 'e'), { recursive: true })
    await writeFile(join(dir, 'a'), 'x')
    await symlink('../../a', join(dir, 'd', 'e', 'l'))
    expect(await text(join(dir, 'd', 'e', 'l'))).to.equal('x')
  },
  'an absolute symlink keeps its target': async (dir) => {
    await symlink('/etc/hostname', join(dir, 'a'))
    expect(await readlink(join(dir, 'a'))).to.equal('/etc/hostname')
  },
  'a dangling symlink: lstat works, stat is ENOENT': async (dir) => {
    await symlink('nowhere', join(dir, 'a'))
    expect((await lstat(join(dir, 'a'))).isSymbolicLink()).to.equal(true)
    await fails('ENOENT', stat(join(dir, 'a')))
  },
  'a loop of symlinks is ELOOP': async (dir) => {
    await symlink('b', join(dir, 'a'))
    await symlink('a', join(dir, 'b'))
    await fails('ELOOP', stat(join(dir, 'a')))
  },
  'symlink over what exists is EEXIST': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('EEXIST', symlink('x', join(dir, 'a')))
  },
  'readlink of a file is EINVAL': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('EINVAL', readlink(join(dir, 'a')))
  },
  'unlink removes the symlink, not its target': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await symlink('a', join(dir, 'b'))
    await unlink(join(dir, 'b'))
    expect(await readdir(dir)).to.deep.equal(['a'])
  },
  'a target of 4095 bytes comes back whole': async (dir) => {
    const target = `${'x/'.repeat(2047)}y`
    await symlink(target, join(dir, 'a'))
    expect(await readlink(join(dir, 'a'))).to.equal(target)
  },
  'a file in place of a directory on the way is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await symlink('a', join(dir, 'l'))
    await fails('ENOTDIR', stat(join(dir, 'l', 'b')))
  },
}
