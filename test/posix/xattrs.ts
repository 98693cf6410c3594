import { copyFile, link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import {
  getxattr,
  listxattr,
  removexattr,
  setxattr,
  XATTR_CREATE,
  XATTR_REPLACE,
  xattrSize,
} from './libc.js'
import { REMOVALS } from './removals.js'

async function file(dir: string): Promise<string> {
  await writeFile(join(dir, 'a'), 'content')
  return join(dir, 'a')
}
const users = (names: string[]): string[] => names.filter((name) => name.startsWith('user.')).sort()

/** setxattr(2), getxattr(2), listxattr(2), removexattr(2) */
export const xattrCases: Cases = {
  'a value comes back': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.colour', 'blue')
    expect((await getxattr(path, 'user.colour')).toString()).to.equal('blue')
  },
  'a value may be bytes of every kind': async (dir) => {
    const path = await file(dir)
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
    await setxattr(path, 'user.bytes', bytes)
    expect((await getxattr(path, 'user.bytes')).equals(bytes)).to.equal(true)
  },
  'a value may be empty': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.empty', '')
    expect(await getxattr(path, 'user.empty')).to.have.length(0)
    expect(users(await listxattr(path))).to.deep.equal(['user.empty'])
  },
  'a value of 3000 bytes comes back': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.long', Buffer.alloc(3000, 7))
    expect((await getxattr(path, 'user.long')).equals(Buffer.alloc(3000, 7))).to.equal(true)
  },
  'a size of 0 asks how long the value is': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.size', '12345')
    expect(await xattrSize(path, 'user.size')).to.equal(5)
  },
  'a buffer that is too small is ERANGE': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.size', '12345')
    await fails('ERANGE', getxattr(path, 'user.size', 3))
    await fails('ERANGE', listxattr(path, 3))
  },
  'setting again replaces': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.a', 'one')
    await setxattr(path, 'user.a', 'two')
    expect((await getxattr(path, 'user.a')).toString()).to.equal('two')
  },
  'XATTR_CREATE of what exists is EEXIST': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.a', 'one', XATTR_CREATE)
    await fails('EEXIST', setxattr(path, 'user.a', 'two', XATTR_CREATE))
    expect((await getxattr(path, 'user.a')).toString()).to.equal('one')
  },
  'XATTR_REPLACE of what is missing is ENODATA': async (dir) =>
    fails('ENODATA', setxattr(await file(dir), 'user.a', 'x', XATTR_REPLACE)),
  'getxattr of what is missing is ENODATA': async (dir) =>
    fails('ENODATA', getxattr(await file(dir), 'user.no')),
  'removexattr of what is missing is ENODATA': async (dir) =>
    fails('ENODATA', removexattr(await file(dir), 'user.no')),
  'getxattr of a missing file is ENOENT': (dir) =>
    fails('ENOENT', getxattr(join(dir, 'no'), 'user.a')),
  'a name that is nothing but its namespace is EINVAL': async (dir) => {
    const path = await file(dir)
    await fails('EINVAL', setxattr(path, 'user.', 'x'))
    await fails('EINVAL', getxattr(path, 'user.'))
    await fails('EINVAL', removexattr(path, 'user.'))
    expect(users(await listxattr(path))).to.deep.equal([])
  },
  'listxattr names all of them': async (dir) => {
    const path = await file(dir)
    for (const name of ['user.one', 'user.two', 'user.three']) await setxattr(path, name, 'x')
    expect(users(await listxattr(path))).to.deep.equal(['user.one', 'user.three', 'user.two'])
  },
  'removexattr removes one': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.one', '1')
    await setxattr(path, 'user.two', '2')
    await removexattr(path, 'user.one')
    expect(users(await listxattr(path))).to.deep.equal(['user.two'])
  },
  'a directory has them too': async (dir) => {
    await mkdir(join(dir, 'd'))
    await setxattr(join(dir, 'd'), 'user.kind', 'folder')
    expect((await getxattr(join(dir, 'd'), 'user.kind')).toString()).to.equal('folder')
  },
  'a removed directory that is open keeps its own': async (dir) => {
    for (const remove of REMOVALS) {
      await mkdir(join(dir, 'd'))
      await setxattr(join(dir, 'd'), 'user.kind', 'folder')
      const opened = await open(join(dir, 'd'))
      await remove(join(dir, 'd'))
      const path = `/proc/self/fd/${opened.fd}`
      expect((await getxattr(path, 'user.kind')).toString()).to.equal('folder')
      const { ctimeMs } = await opened.stat()
      await setxattr(path, 'user.more', 'x', XATTR_CREATE)
      expect((await opened.stat()).ctimeMs).to.be.within(ctimeMs, Date.now() + 1)
      expect(users(await listxattr(path))).to.deep.equal(['user.kind', 'user.more'])
      await removexattr(path, 'user.kind')
      await fails('ENODATA', getxattr(path, 'user.kind'))
      await opened.close()
      await rm(join(dir, 'd'), { recursive: true, force: true })
    }
  },
  'they follow a rename': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.a', 'kept')
    await rename(path, join(dir, 'b'))
    expect((await getxattr(join(dir, 'b'), 'user.a')).toString()).to.equal('kept')
  },
  'they are seen under every hard link': async (dir) => {
    const path = await file(dir)
    await link(path, join(dir, 'b'))
    await setxattr(path, 'user.a', 'shared')
    expect((await getxattr(join(dir, 'b'), 'user.a')).toString()).to.equal('shared')
  },
  'they do not touch the content': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.a', 'x')
    expect(await readFile(path, 'utf8')).to.equal('content')
  },
  'a new copy has none': async (dir) => {
    const path = await file(dir)
    await setxattr(path, 'user.a', 'x')
    await copyFile(path, join(dir, 'b'))
    expect(users(await listxattr(join(dir, 'b')))).to.deep.equal([])
  },
}
