import {
  chmod,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import { mknod, S_IFIFO } from './libc.js'

const NAMES: Readonly<Record<string, string>> = {
  'spaces and tabs': ' a  b\tc ',
  'a newline': 'two\nlines',
  'quotes and a backslash': `"quoted" 'single' back\\slash`,
  'what a URL would encode': '100%25 ?query#fragment&a=b;c+d',
  'what a shell would expand': '$HOME *.[ch] ~ `x` !',
  'a leading dash': '-rf',
  'three dots': '...',
  'a leading dot': '.hidden',
  'a colon and a drive letter': 'C:name',
  'umlauts, composed': 'M\u00fcnchen',
  'umlauts, decomposed': 'Mu\u0308nchen',
  'characters beyond the basic plane': '\u{1f4c1} folder \u{1f680}',
  'control characters': '\u0001\u001f\u007f',
  'the private names of others': '.fuse_hidden0001',
  'an encoded slash': 'a%2fb%2F..%00',
}

const named = Object.entries(NAMES).map(
  ([what, name]): [string, (dir: string) => Promise<void>] => [
    `a name with ${what} comes back`,
    async (dir) => {
      await writeFile(join(dir, name), what)
      expect(await readdir(dir)).to.deep.equal([name])
      expect(await readFile(join(dir, name), 'utf8')).to.equal(what)
      await rename(join(dir, name), join(dir, `${name}~`))
      await unlink(join(dir, `${name}~`))
      expect(await readdir(dir)).to.deep.equal([])
    },
  ],
)

/** pathname(7), mknod(2), mkfifo(3), unix(7) */
export const nameCases: Cases = {
  ...Object.fromEntries(named),
  'composed and decomposed names are two names': async (dir) => {
    await writeFile(join(dir, 'M\u00fcnchen'), '1')
    await writeFile(join(dir, 'Mu\u0308nchen'), '2')
    expect(await readdir(dir)).to.have.length(2)
  },
  'upper and lower case are two names': async (dir) => {
    await writeFile(join(dir, 'readme'), '1')
    await writeFile(join(dir, 'README'), '2')
    expect((await readdir(dir)).sort()).to.deep.equal(['README', 'readme'])
  },
  'a name of 255 bytes works': async (dir) => {
    const name = 'n'.repeat(255)
    await writeFile(join(dir, name), 'x')
    expect(await readdir(dir)).to.deep.equal([name])
  },
  'a name of 255 bytes in fewer characters works': async (dir) => {
    const name = `${'ü'.repeat(127)}n`
    await mkdir(join(dir, name))
    expect(await readdir(dir)).to.deep.equal([name])
    await rmdir(join(dir, name))
  },
  'a name of 256 bytes is ENAMETOOLONG everywhere': async (dir) => {
    const long = join(dir, 'n'.repeat(256))
    await writeFile(join(dir, 'a'), '')
    await fails('ENAMETOOLONG', writeFile(long, ''))
    await fails('ENAMETOOLONG', mkdir(long))
    await fails('ENAMETOOLONG', symlink('x', long))
    await fails('ENAMETOOLONG', rename(join(dir, 'a'), long))
    await fails('ENAMETOOLONG', stat(long))
  },
  'a path beyond 4096 bytes is ENAMETOOLONG': (dir) =>
    fails('ENAMETOOLONG', stat(`${dir}/${'d/'.repeat(2100)}f`)),
  'a slash after a directory is allowed': async (dir) => {
    await mkdir(`${join(dir, 'd')}/`)
    expect((await stat(`${join(dir, 'd')}/`)).isDirectory()).to.equal(true)
  },
  'a slash after a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', stat(`${join(dir, 'a')}/`))
  },
  '"." and ".." lead where they should': async (dir) => {
    await mkdir(join(dir, 'd'))
    const { ino } = await stat(dir)
    expect((await stat(`${dir}/d/..`)).ino).to.equal(ino)
    expect((await stat(`${dir}/./d/../.`)).ino).to.equal(ino)
  },
  'mknod makes a FIFO': async (dir) => {
    await mknod(join(dir, 'pipe'), S_IFIFO | 0o640)
    expect((await stat(join(dir, 'pipe'))).isFIFO()).to.equal(true)
    expect((await readdir(dir, { withFileTypes: true }))[0]?.isFIFO()).to.equal(true)
    await unlink(join(dir, 'pipe'))
  },
  'a FIFO that is open and has lost its name is one still': async (dir) => {
    await mknod(join(dir, 'p'), S_IFIFO | 0o600)
    const opened = await open(join(dir, 'p'), 'r+')
    const { ino } = await opened.stat()
    await unlink(join(dir, 'p'))
    const left = await opened.stat()
    expect(left).to.include({ ino, nlink: 0 })
    expect(left.isFIFO()).to.equal(true)
    await opened.chmod(0o640)
    expect((await opened.stat()).mode & 0o7777).to.equal(0o640)
    await opened.close()
  },
  'a FIFO that lost one of its names has the other, and its attributes': async (dir) => {
    await mknod(join(dir, 'p'), S_IFIFO | 0o600)
    await link(join(dir, 'p'), join(dir, 'q'))
    const opened = await open(join(dir, 'p'), 'r+')
    await unlink(join(dir, 'p'))
    expect((await opened.stat()).nlink).to.equal(1)
    await chmod(join(dir, 'q'), 0o640)
    expect((await opened.stat()).mode & 0o7777).to.equal(0o640)
    await opened.close()
  },
  'mknod over what exists is EEXIST': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('EEXIST', mknod(join(dir, 'a'), S_IFIFO | 0o640))
  },
  'mknod makes a plain file': async (dir) => {
    const S_IFREG = 0o100000
    await mknod(join(dir, 'a'), S_IFREG | 0o600)
    expect((await stat(join(dir, 'a'))).isFile()).to.equal(true)
  },
  'a socket can be bound in a directory': async (dir) => {
    const path = join(dir, 's')
    const server = createServer()
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
    expect((await stat(path)).isSocket()).to.equal(true)
    await new Promise((resolve) => server.close(resolve))
  },
}
