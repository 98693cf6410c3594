import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, renameat2 } from './libc.js'

const text = (path: string): Promise<string> => readFile(path, 'utf8')

/** rename(2), renameat2(2) */
export const renameCases: Cases = {
  'a file gets another name': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect(await readdir(dir)).to.deep.equal(['b'])
    expect(await text(join(dir, 'b'))).to.equal('x')
  },
  'the inode number stays': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    const { ino } = await stat(join(dir, 'a'))
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect((await stat(join(dir, 'b'))).ino).to.equal(ino)
  },
  'a file replaces a file': async (dir) => {
    await writeFile(join(dir, 'a'), 'new')
    await writeFile(join(dir, 'b'), 'old')
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect(await readdir(dir)).to.deep.equal(['b'])
    expect(await text(join(dir, 'b'))).to.equal('new')
  },
  'the replaced file stays readable while it is open': async (dir) => {
    await writeFile(join(dir, 'a'), 'new')
    await writeFile(join(dir, 'b'), 'old')
    const old = await open(join(dir, 'b'), 'r')
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect(await old.readFile('utf8')).to.equal('old')
    expect((await old.stat()).nlink).to.equal(0)
    await old.close()
    expect(await readdir(dir)).to.deep.equal(['b'])
  },
  'an open file follows its rename': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.write('before ')
    await rename(join(dir, 'a'), join(dir, 'b'))
    await file.write('after')
    await file.close()
    expect(await text(join(dir, 'b'))).to.equal('before after')
  },
  'a new file may take the old name while the renamed one is written': async (dir) => {
    const log = await open(join(dir, 'log'), 'w')
    await log.write('one')
    await rename(join(dir, 'log'), join(dir, 'log.1'))
    await writeFile(join(dir, 'log'), 'fresh')
    await log.write(' two')
    await log.close()
    expect(await text(join(dir, 'log'))).to.equal('fresh')
    expect(await text(join(dir, 'log.1'))).to.equal('one two')
  },
  'a file moves to another directory': async (dir) => {
    await mkdir(join(dir, 'd'))
    await writeFile(join(dir, 'a'), 'x')
    await rename(join(dir, 'a'), join(dir, 'd', 'b'))
    expect(await readdir(dir)).to.deep.equal(['d'])
    expect(await text(join(dir, 'd', 'b'))).to.equal('x')
  },
  'a directory moves with all it holds': async (dir) => {
    await mkdir(join(dir, 'a', 'deep'), { recursive: true })
    await mkdir(join(dir, 'b'))
    await writeFile(join(dir, 'a', 'deep', 'f'), 'x')
    await rename(join(dir, 'a'), join(dir, 'b', 'c'))
    expect(await text(join(dir, 'b', 'c', 'deep', 'f'))).to.equal('x')
    await fails('ENOENT', stat(join(dir, 'a', 'deep', 'f')))
  },
  'a directory that moves takes its link from the old parent to the new': async (dir) => {
    await mkdir(join(dir, 'a'))
    await mkdir(join(dir, 'b'))
    await rename(join(dir, 'a'), join(dir, 'b', 'a'))
    expect((await stat(dir)).nlink).to.equal(3)
    expect((await stat(join(dir, 'b'))).nlink).to.equal(3)
  },
  'a directory replaces an empty directory': async (dir) => {
    await mkdir(join(dir, 'a'))
    await mkdir(join(dir, 'b'))
    await writeFile(join(dir, 'a', 'f'), 'x')
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect(await readdir(join(dir, 'b'))).to.deep.equal(['f'])
  },
  'a directory onto one that is not empty is ENOTEMPTY': async (dir) => {
    await mkdir(join(dir, 'a'))
    await mkdir(join(dir, 'b', 'c'), { recursive: true })
    await fails(['ENOTEMPTY', 'EEXIST'], rename(join(dir, 'a'), join(dir, 'b')))
  },
  'a directory onto a file is ENOTDIR': async (dir) => {
    await mkdir(join(dir, 'a'))
    await writeFile(join(dir, 'b'), '')
    await fails('ENOTDIR', rename(join(dir, 'a'), join(dir, 'b')))
  },
  'a file onto a directory is EISDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await mkdir(join(dir, 'b'))
    await fails('EISDIR', rename(join(dir, 'a'), join(dir, 'b')))
  },
  'a directory into itself is EINVAL': async (dir) => {
    await mkdir(join(dir, 'a'))
    await fails('EINVAL', rename(join(dir, 'a'), join(dir, 'a', 'b')))
  },
  'a directory below its own child is EINVAL': async (dir) => {
    await mkdir(join(dir, 'a', 'b', 'c'), { recursive: true })
    await fails('EINVAL', rename(join(dir, 'a'), join(dir, 'a', 'b', 'c', 'd')))
  },
  'a directory onto its own parent is ENOTEMPTY': async (dir) => {
    await mkdir(join(dir, 'a', 'b'), { recursive: true })
    await fails(['ENOTEMPTY', 'EEXIST'], rename(join(dir, 'a', 'b'), join(dir, 'a')))
  },
  'a name onto itself does nothing': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await rename(join(dir, 'a'), join(dir, 'a'))
    expect(await text(join(dir, 'a'))).to.equal('x')
  },
  'one hard link onto the other leaves both': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await link(join(dir, 'a'), join(dir, 'b'))
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect((await readdir(dir)).sort()).to.deep.equal(['a', 'b'])
  },
  'what is missing is ENOENT': (dir) => fails('ENOENT', rename(join(dir, 'a'), join(dir, 'b'))),
  'into a directory that is missing is ENOENT': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOENT', rename(join(dir, 'a'), join(dir, 'no', 'b')))
  },
  'below a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await writeFile(join(dir, 'b'), '')
    await fails('ENOTDIR', rename(join(dir, 'a'), join(dir, 'b', 'c')))
  },
  'a symlink is renamed, not its target': async (dir) => {
    await writeFile(join(dir, 'target'), 'x')
    await symlink('target', join(dir, 'a'))
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect((await lstat(join(dir, 'b'))).isSymbolicLink()).to.equal(true)
    expect((await lstat(join(dir, 'target'))).isFile()).to.equal(true)
  },
  'a file replaces a symlink, not its target': async (dir) => {
    await writeFile(join(dir, 'target'), 'kept')
    await symlink('target', join(dir, 'b'))
    await writeFile(join(dir, 'a'), 'new')
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect((await lstat(join(dir, 'b'))).isFile()).to.equal(true)
    expect(await text(join(dir, 'target'))).to.equal('kept')
  },
  'both directories change their times': async (dir) => {
    await mkdir(join(dir, 'd'))
    await writeFile(join(dir, 'a'), '')
    const before = [await stat(dir, { bigint: true }), await stat(join(dir, 'd'), { bigint: true })]
    await rename(join(dir, 'a'), join(dir, 'd', 'a'))
    const after = [await stat(dir, { bigint: true }), await stat(join(dir, 'd'), { bigint: true })]
    for (const [index, { mtimeNs }] of before.entries())
      expect(after[index]?.mtimeNs).to.satisfy((now: bigint) => now > mtimeNs)
  },
  'an editor saves: temporary file, fsync, rename over': async (dir) => {
    await writeFile(join(dir, 'doc'), 'version 0', { mode: 0o640 })
    for (let version = 1; version <= 20; version++) {
      const file = await open(join(dir, '.doc.tmp'), 'wx', 0o640)
      await file.writeFile(`version ${version}`)
      await file.sync()
      await file.close()
      await rename(join(dir, '.doc.tmp'), join(dir, 'doc'))
      expect(await text(join(dir, 'doc'))).to.equal(`version ${version}`)
    }
    expect(await readdir(dir)).to.deep.equal(['doc'])
  },
  'a directory takes a name that was removed just before': async (dir) => {
    await mkdir(join(dir, 'a'))
    await mkdir(join(dir, 'b'))
    await rmdir(join(dir, 'b'))
    await rename(join(dir, 'a'), join(dir, 'b'))
    expect(await readdir(dir)).to.deep.equal(['b'])
  },
  'RENAME_NOREPLACE renames where nothing is': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await renameat2(join(dir, 'a'), join(dir, 'b'), RENAME_NOREPLACE)
    expect(await readdir(dir)).to.deep.equal(['b'])
  },
  'RENAME_NOREPLACE is EEXIST where something is': async (dir) => {
    await writeFile(join(dir, 'a'), 'a')
    await writeFile(join(dir, 'b'), 'b')
    await fails('EEXIST', renameat2(join(dir, 'a'), join(dir, 'b'), RENAME_NOREPLACE))
    expect([await text(join(dir, 'a')), await text(join(dir, 'b'))]).to.deep.equal(['a', 'b'])
  },
  'RENAME_EXCHANGE swaps two files': async (dir) => {
    await writeFile(join(dir, 'a'), 'a')
    await writeFile(join(dir, 'b'), 'b')
    await renameat2(join(dir, 'a'), join(dir, 'b'), RENAME_EXCHANGE)
    expect([await text(join(dir, 'a')), await text(join(dir, 'b'))]).to.deep.equal(['b', 'a'])
  },
  'RENAME_EXCHANGE swaps a file and a directory': async (dir) => {
    await writeFile(join(dir, 'a'), 'a')
    await mkdir(join(dir, 'd'))
    await renameat2(join(dir, 'a'), join(dir, 'd'), RENAME_EXCHANGE)
    expect((await stat(join(dir, 'a'))).isDirectory()).to.equal(true)
    expect(await text(join(dir, 'd'))).to.equal('a')
  },
  'RENAME_EXCHANGE with what is missing is ENOENT': async (dir) => {
    await writeFile(join(dir, 'a'), 'a')
    await fails('ENOENT', renameat2(join(dir, 'a'), join(dir, 'b'), RENAME_EXCHANGE))
  },
}
