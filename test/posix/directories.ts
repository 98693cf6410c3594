import {
  mkdir,
  open,
  opendir,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import { withUmask } from './libc.js'
import { REMOVALS } from './removals.js'

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `file ${String(index).padStart(5, '0')}`)

async function fill(dir: string, names: readonly string[]): Promise<void> {
  for (let first = 0; first < names.length; first += 50)
    await Promise.all(names.slice(first, first + 50).map((name) => writeFile(join(dir, name), '')))
}

/** mkdir(2), rmdir(2), readdir(3) */
export const directoryCases: Cases = {
  'mkdir makes an empty directory': async (dir) => {
    await mkdir(join(dir, 'd'))
    expect(await readdir(join(dir, 'd'))).to.deep.equal([])
    expect((await stat(join(dir, 'd'))).isDirectory()).to.equal(true)
  },
  'mkdir gives the mode asked for, less the umask': async (dir) => {
    await withUmask(0o027, () => mkdir(join(dir, 'd'), 0o777))
    expect((await stat(join(dir, 'd'))).mode & 0o7777).to.equal(0o750)
  },
  'mkdir of what exists is EEXIST': async (dir) => {
    await mkdir(join(dir, 'd'))
    await fails('EEXIST', mkdir(join(dir, 'd')))
  },
  'mkdir over a file is EEXIST': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('EEXIST', mkdir(join(dir, 'a')))
  },
  'mkdir over a dangling symlink is EEXIST': async (dir) => {
    await symlink('nowhere', join(dir, 'l'))
    await fails('EEXIST', mkdir(join(dir, 'l')))
  },
  'mkdir in what is missing is ENOENT': (dir) => fails('ENOENT', mkdir(join(dir, 'no', 'd'))),
  'mkdir below a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', mkdir(join(dir, 'a', 'd')))
  },
  'a removed directory that is open is one still, without a name': async (dir) => {
    for (const remove of REMOVALS) {
      await mkdir(join(dir, 'd'))
      const opened = await open(join(dir, 'd'))
      const { ino } = await opened.stat()
      await remove(join(dir, 'd'))
      const left = await opened.stat()
      expect(left).to.include({ ino, nlink: 0 })
      expect(left.isDirectory()).to.equal(true)
      await opened.chmod(0o751)
      await opened.utimes(5, 6)
      await opened.sync()
      const { mode, atimeMs, mtimeMs, ctimeMs } = await opened.stat()
      expect([mode & 0o7777, atimeMs, mtimeMs]).to.deep.equal([0o751, 5000, 6000])
      expect(ctimeMs).to.be.within(left.ctimeMs, Date.now() + 1)
      await fails('ENOENT', writeFile(`/proc/self/fd/${opened.fd}/new`, ''))
      await fails('ENOENT', mkdir(`/proc/self/fd/${opened.fd}/new`))
      await opened.close()
      await rm(join(dir, 'd'), { recursive: true, force: true })
    }
  },
  'mkdir from many at once has one winner': async (dir) => {
    const settled = await Promise.allSettled(
      Array.from({ length: 12 }, () => mkdir(join(dir, 'd'))),
    )
    expect(settled.filter((attempt) => attempt.status === 'fulfilled')).to.have.length(1)
  },
  'a directory counts itself, its name and its children': async (dir) => {
    expect((await stat(dir)).nlink).to.equal(2)
    await mkdir(join(dir, 'a'))
    await mkdir(join(dir, 'b'))
    expect((await stat(dir)).nlink).to.equal(4)
    await rmdir(join(dir, 'a'))
    expect((await stat(dir)).nlink).to.equal(3)
  },
  'a directory fifty deep works': async (dir) => {
    const deep = join(dir, ...Array.from({ length: 50 }, (_, depth) => `level${depth}`))
    await mkdir(deep, { recursive: true })
    await writeFile(join(deep, 'f'), 'x')
    expect((await stat(join(deep, 'f'))).size).to.equal(1)
  },
  'rmdir removes an empty directory': async (dir) => {
    await mkdir(join(dir, 'd'))
    await rmdir(join(dir, 'd'))
    expect(await readdir(dir)).to.deep.equal([])
  },
  'rmdir of one that is not empty is ENOTEMPTY': async (dir) => {
    await mkdir(join(dir, 'd'))
    await writeFile(join(dir, 'd', 'a'), '')
    await fails(['ENOTEMPTY', 'EEXIST'], rmdir(join(dir, 'd')))
  },
  'rmdir of a file is ENOTDIR': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    await fails('ENOTDIR', rmdir(join(dir, 'a')))
  },
  'rmdir of a symlink to a directory is ENOTDIR': async (dir) => {
    await mkdir(join(dir, 'd'))
    await symlink('d', join(dir, 'l'))
    await fails('ENOTDIR', rmdir(join(dir, 'l')))
  },
  'rmdir of what is missing is ENOENT': (dir) => fails('ENOENT', rmdir(join(dir, 'd'))),
  'rmdir of "." is EINVAL': (dir) => fails('EINVAL', rmdir(`${dir}/.`)),
  'a directory can be removed after its last file': async (dir) => {
    await mkdir(join(dir, 'd'))
    await writeFile(join(dir, 'd', 'a'), '')
    await unlink(join(dir, 'd', 'a'))
    await rmdir(join(dir, 'd'))
    expect(await readdir(dir)).to.deep.equal([])
  },
  'a listing names everything once': async (dir) => {
    const names = numbered(1500)
    await fill(dir, names)
    expect((await readdir(dir)).sort()).to.deep.equal(names)
  },
  'a listing says what each entry is': async (dir) => {
    await mkdir(join(dir, 'directory'))
    await writeFile(join(dir, 'file'), '')
    await symlink('file', join(dir, 'symlink'))
    const kinds = (await readdir(dir, { withFileTypes: true })).map((entry) => [
      entry.name,
      entry.isDirectory(),
      entry.isFile(),
      entry.isSymbolicLink(),
    ])
    expect(kinds.sort()).to.deep.equal([
      ['directory', true, false, false],
      ['file', false, true, false],
      ['symlink', false, false, true],
    ])
  },
  'a listing sees what was just made, and not what was just removed': async (dir) => {
    for (let round = 0; round < 20; round++) {
      await writeFile(join(dir, `f${round}`), '')
      expect(await readdir(dir)).to.deep.equal([`f${round}`])
      await unlink(join(dir, `f${round}`))
      expect(await readdir(dir)).to.deep.equal([])
    }
  },
  'files removed while a directory is read make no hole for others': async (dir) => {
    await fill(dir, numbered(600))
    const seen = new Set<string>()
    for await (const entry of await opendir(dir, { bufferSize: 32 })) {
      expect(seen.has(entry.name)).to.equal(false)
      seen.add(entry.name)
      await unlink(join(dir, entry.name))
    }
    expect(seen.size).to.equal(600)
    expect(await readdir(dir)).to.deep.equal([])
  },
  'files made while a directory is read hide none that were there': async (dir) => {
    const names = numbered(600)
    await fill(dir, names)
    const seen = new Set<string>()
    for await (const entry of await opendir(dir, { bufferSize: 32 })) {
      if (entry.name.startsWith('file ')) await writeFile(join(dir, `new ${seen.size}`), '')
      seen.add(entry.name)
      if (seen.size > 2000) break
    }
    expect(names.filter((name) => !seen.has(name))).to.deep.equal([])
  },
  'renames while a directory is read hide none of the others': async (dir) => {
    const names = numbered(300)
    await fill(dir, [...names, 'mover'])
    const seen: string[] = []
    for await (const entry of await opendir(dir, { bufferSize: 32 })) {
      if (seen.length === 10) await rename(join(dir, 'mover'), join(dir, 'moved'))
      seen.push(entry.name)
    }
    expect(names.filter((name) => !seen.includes(name))).to.deep.equal([])
  },
  'rm -r of a tree leaves nothing': async (dir) => {
    for (let branch = 0; branch < 10; branch++) {
      await mkdir(join(dir, 'tree', `b${branch}`, 'leaf'), { recursive: true })
      await fill(join(dir, 'tree', `b${branch}`, 'leaf'), numbered(20))
    }
    await rm(join(dir, 'tree'), { recursive: true })
    expect(await readdir(dir)).to.deep.equal([])
  },
  'a directory shows that a file was made in it while that is still open, and nothing more when it is closed':
    async (dir) => {
      await utimes(dir, 5, 6)
      const made = await open(join(dir, 'a'), 'w')
      const { mtimeMs, ctimeMs } = await stat(dir)
      expect(mtimeMs).to.be.above(6000)
      await made.write('content')
      await made.close()
      expect(await stat(dir)).to.include({ mtimeMs, ctimeMs })
    },
  'so it does when the directory above it was listed before': async (dir) => {
    await mkdir(join(dir, 'd'))
    await utimes(join(dir, 'd'), 5, 6)
    await stat(join(dir, 'd'))
    const made = await open(join(dir, 'd', 'a'), 'w')
    await readdir(dir)
    expect((await stat(join(dir, 'd'))).mtimeMs).to.be.above(6000)
    await made.close()
  },
  'times set of a directory stay when a file is closed that was made before': async (dir) => {
    const made = await open(join(dir, 'a'), 'w')
    await utimes(dir, 5, 6)
    await made.write('content')
    await made.close()
    expect((await stat(dir)).mtimeMs).to.equal(6000)
  },
  'making and removing an entry changes mtime and ctime of the directory': async (dir) => {
    const times = [await stat(dir, { bigint: true })]
    await writeFile(join(dir, 'a'), '')
    times.push(await stat(dir, { bigint: true }))
    await unlink(join(dir, 'a'))
    times.push(await stat(dir, { bigint: true }))
    for (const field of ['mtimeNs', 'ctimeNs'] as const) {
      const [made = 0n, added = 0n, removed = 0n] = times.map((time) => time[field])
      expect(made < added && added < removed, field).to.equal(true)
    }
  },
}
