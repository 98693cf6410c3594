import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { exportTree } from '../../../../server/storage/archive/export.js'
import { importTree } from '../../../../server/storage/archive/import.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { getxattr, setxattr } from '../../../posix/libc.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const run = promisify(execFile)

/** Every attribute of a plain tree that find(1) can tell. */
async function listing(directory: string): Promise<string> {
  const { stdout } = await run(
    'find',
    ['.', '-printf', '%P %y %m %U %G %n %l %T@ %s\\n', '-type', 'f', '-exec', 'sha1sum', '{}', ';'],
    { cwd: directory, maxBuffer: 1e8 },
  )
  // The size of a directory is the host's affair.
  return stdout
    .split('\n')
    .map((line) => line.replace(/^(\S* d .*) \d+$/, '$1'))
    .sort()
    .join('\n')
}

describe('import and export', () => {
  let subject: TemporaryStorage
  let tree: Tree
  let directory: string

  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await subject.storage.tree('ann')
    directory = await temporaryDirectory('export')
  })
  afterEach(async () => {
    await subject.close()
    await removeDirectory(directory)
  })

  const none = (path: string, reason: string) => {
    throw new Error(`${path}: ${reason}`)
  }

  it('brings a plain tree in and out again, with all attributes', async () => {
    const from = join(directory, 'from')
    const long = 'n'.repeat(200)
    await mkdir(join(from, 'sub', long), { recursive: true })
    await writeFile(join(from, 'sub', long, 'ü \u{1f600}'), 'deep')
    await writeFile(join(from, 'big'), Buffer.alloc(3_000_001, 'x'))
    await writeFile(join(from, 'empty'), '')
    const script = `
      chmod 4750 big; ln big sub/hard; ln -s '../\u00fc' sub/soft; mkfifo -m 600 sub/fifo
      touch -d '1965-01-02 03:04:05.000000001 UTC' empty
      touch -h -d '2001-02-03 04:05:06.123456789 UTC' sub/soft
      chmod 500 sub/${long}; touch -d '2030-01-01 00:00:00.999999999 UTC' sub/${long} sub .`
    await run('sh', ['-c', script], { cwd: from })
    const imported = await importTree(tree, tree.root, from, none)
    expect(imported).to.include({ skipped: 0, bytes: 3_000_005 })
    const empty = await tree.lookup(tree.root, name('empty'))
    expect(empty.mtime).to.equal(BigInt(Date.UTC(1965, 0, 2, 3, 4, 5)) * 1_000_000n + 1n)
    const to = join(directory, 'to')
    await exportTree(tree, tree.root, to)
    expect(await listing(to)).to.equal(await listing(from))
    expect((await stat(join(to, 'sub/hard'))).nlink).to.equal(2)
    expect(await subject.problems()).to.deep.equal([])
    await run('chmod', ['-R', 'u+w', directory])
  })

  it('carries xattrs, and devices as far as tar may make them', async () => {
    const { ino } = await put(tree, { directory: tree.root, name: name('f') }, 'x')
    const value = Buffer.from([0, 10, 61, 255])
    await tree.setXattr(ino, 'user.coffer', value, 'either', overwrite, {})
    await tree.setXattr(tree.root, 'user.coffer', value, 'either', overwrite, {})
    await exportTree(tree, tree.root, join(directory, 'out'))
    const other = await subject.storage.tree('bob')
    await importTree(other, other.root, join(directory, 'out'), none)
    const back = await other.lookup(other.root, name('f'))
    expect(await other.getXattr(back.ino, 'user.coffer')).to.deep.equal(value)
    expect(await other.getXattr(other.root, 'user.coffer')).to.deep.equal(value)
  })

  it('brings a file in with its xattrs in one step: one that is killed leaves none without', async () => {
    await writeFile(join(directory, 'f'), 'x')
    await setxattr(join(directory, 'f'), 'user.coffer', Buffer.from('value'))
    await importTree(tree, tree.root, directory, none)
    const { ino } = await tree.lookup(tree.root, name('f'))
    const page = await tree.changes.after(0, 100)
    if (page.kind !== 'changes') throw new Error('there is no page')
    const kinds = page.changes.filter((change) => change.ino === ino).map(({ kind }) => kind)
    expect(kinds).to.deep.equal(['make'])
    expect((await tree.getXattr(ino, 'user.coffer')).toString()).to.equal('value')
    expect(await subject.problems()).to.deep.equal([])
  })

  it('calls xattrs as the disk does, whatever tar(1) writes for "=" and "%"', async () => {
    const [from, to] = [join(directory, 'from'), join(directory, 'to')]
    await mkdir(from)
    await writeFile(join(from, 'f'), '')
    const names = ['user.a=b', 'user.a%3Db', 'user.%', 'user.%253D=']
    for (const each of names) await setxattr(join(from, 'f'), each, Buffer.from(each))
    await importTree(tree, tree.root, from, none)
    const { ino } = await tree.lookup(tree.root, name('f'))
    expect((await tree.listXattrs(ino)).sort()).to.deep.equal(names.toSorted())
    await exportTree(tree, tree.root, to)
    for (const each of names) {
      expect((await getxattr(join(to, 'f'), each)).toString()).to.equal(each)
      expect((await tree.getXattr(ino, each)).toString()).to.equal(each)
    }
  })

  it('says which xattrs the disk does not take, and which files have no place in an archive', async () => {
    const { ino } = await put(tree, { directory: tree.root, name: name('f') }, 'x')
    await tree.setXattr(ino, 'of no namespace', Buffer.from('x'), 'either', overwrite, {})
    const far = { ...(await tree.stat(ino)), mtime: 4_000_000_000n * 1_000_000_000n }
    await tree.setAttributes(ino, { mtime: far.mtime }, overwrite, {})
    const to = join(directory, 'to')
    expect(await exportTree(tree, tree.root, to)).to.match(/^tar: [^\n]*of no namespace[^\n]*$/)
    expect((await stat(join(to, 'f'), { bigint: true })).mtimeNs).to.equal(far.mtime)
    const listening = createServer()
    listening.listen(join(to, 'socket'))
    await once(listening, 'listening')
    const other = await subject.storage.tree('bob')
    const { complaint } = await importTree(other, other.root, to, none)
    listening.close()
    expect(complaint).to.match(/^tar: [^\n]*socket[^\n]*$/)
  })

  it('starts tar(1) without the options and the locale of whoever starts it', async () => {
    const [from, to] = [join(directory, 'from'), join(directory, 'to')]
    const [programs, locales] = [join(directory, 'programs'), join(directory, 'locales')]
    for (const each of [from, programs]) await mkdir(each)
    for (const file of ['a.o', 'b.c']) await writeFile(join(from, file), '')
    const { stdout: real } = await run('sh', ['-c', 'command -v tar'])
    const noting = `#!/bin/sh\necho "$LC_ALL" >> ${locales}\nexec ${real.trim()} "$@"\n`
    await writeFile(join(programs, 'tar'), noting, { mode: 0o755 })
    const { PATH, LC_ALL, TAR_OPTIONS } = process.env
    try {
      Object.assign(process.env, { PATH: `${programs}:${PATH}`, LC_ALL: 'de_DE' })
      process.env.TAR_OPTIONS = '--exclude=*.o'
      await importTree(tree, tree.root, from, none)
      process.env.TAR_OPTIONS = '--exclude=*.c'
      await exportTree(tree, tree.root, to)
    } finally {
      for (const [key, value] of Object.entries({ PATH, LC_ALL, TAR_OPTIONS })) {
        if (value === undefined) delete process.env[key]
        else process.env[key] = value
      }
    }
    expect(await readdir(to)).to.have.members(['a.o', 'b.c'])
    expect(await readFile(locales, 'utf8')).to.equal('C\nC\n')
  })

  it('keeps holes, at the beginning, in between, at the end, and alone', async () => {
    const from = join(directory, 'from')
    await mkdir(from)
    const script = `
      truncate -s 40M hole; printf begin > end; truncate -s 40M end
      for at in 10000000 20000000 30000000; do printf data | dd of=middle bs=1 seek=$at conv=notrunc; done
      printf last | dd of=last bs=1 seek=40000000; printf small > small`
    await run('sh', ['-c', script], { cwd: from })
    const { bytes } = await importTree(tree, tree.root, from, none)
    expect(bytes).to.equal(2 * 40 * 2 ** 20 + 30_000_004 + 40_000_004 + 5)
    for (const file of ['hole', 'end', 'middle', 'last']) {
      expect((await tree.lookup(tree.root, name(file))).allocated).to.be.below(1_000_000)
    }
    const to = join(directory, 'to')
    await exportTree(tree, tree.root, to)
    expect(await listing(to)).to.equal(await listing(from))
    for (const file of ['hole', 'end', 'middle', 'last']) {
      expect((await stat(join(to, file))).blocks * 512).to.be.below(1_000_000)
    }
    expect(await subject.problems()).to.deep.equal([])
  })

  it('leaves what exists as it is and says so', async () => {
    await writeFile(join(directory, 'a'), 'new')
    await writeFile(join(directory, 'b'), 'new')
    await setxattr(directory, 'user.whose', Buffer.from('new'))
    const { ino } = await put(tree, { directory: tree.root, name: name('a') }, 'old')
    const attributes = { mode: 0o751, uid: 1234, gid: 1235 }
    await tree.setAttributes(tree.root, attributes, overwrite, {})
    await tree.setXattr(tree.root, 'user.whose', Buffer.from('old'), 'either', overwrite, {})
    const skipped: string[] = []
    const imported = await importTree(tree, tree.root, directory, (path) => skipped.push(path))
    expect(imported.skipped).to.equal(1)
    expect(skipped).to.deep.equal(['./a'])
    expect(await read(tree, ino)).to.equal('old')
    expect((await tree.lookup(tree.root, name('b'))).size).to.equal(3)
    expect(await tree.stat(tree.root)).to.include(attributes)
    expect((await tree.getXattr(tree.root, 'user.whose')).toString()).to.equal('old')
  })

  it('says which names are not UTF-8, and makes no others of them', async () => {
    const script = `
      printf x > "$(printf 'a\\377')"; printf x > "$(printf 'a\\376')"; mkdir "$(printf 'd\\377')"
      printf x > "$(printf 'd\\377/inside')"; ln -s "$(printf 'l\\377')" link; printf x > "$(printf 'a\\357\\277\\275')"`
    await run('sh', ['-c', script], { cwd: directory })
    const reasons: string[] = []
    const imported = await importTree(tree, tree.root, directory, (_path, reason) =>
      reasons.push(reason),
    )
    expect(imported.skipped).to.equal(5)
    for (const reason of reasons) expect(reason).to.match(/UTF-8/)
    const entries = await tree.list(tree.root, { limit: 10 })
    expect(entries.map((entry) => entry.name)).to.deep.equal(['a\ufffd'])
  })

  it('says what is wrong with the directory', async () => {
    const missing = join(directory, 'missing')
    const outcome = await importTree(tree, tree.root, missing, none).then(
      () => 'it succeeded',
      (error: Error) => error.message,
    )
    expect(outcome).to.match(/tar failed: .*missing/)
  })
})
