import { execFile } from 'node:child_process'
import { lstat, mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { removeFiles } from '../../../../server/commands/remove-files.js'
import { exportTree } from '../../../../server/storage/archive/export.js'
import { importTree } from '../../../../server/storage/archive/import.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { type Ino, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const run = promisify(execFile)

const NEW = { mode: 0o640, uid: 1000, gid: 1000 }
const LEVELS = 100
const LONG = name('n'.repeat(200))

/** All that is below a directory, each with its attributes and its content; times that cannot be set, and numbers, left out. */
async function everything(tree: Tree, from: Ino): Promise<string[]> {
  const lines: string[] = []
  const firstNames = new Map<Ino, string>()
  const stack = [{ ino: from, path: '', depth: 0 }]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    for (const { name, inode } of await tree.list(next.ino, { limit: 1000 })) {
      const { ino, type, mode, uid, gid, nlink, size, mtime, allocated, target } = inode
      const path = `${next.depth}/${name}`
      const first = firstNames.get(ino) ?? path
      firstNames.set(ino, first)
      const xattrs = await tree.listXattrs(ino)
      const values = await Promise.all(xattrs.map((key) => tree.getXattr(ino, key)))
      const content = type === 'file' && allocated === undefined ? await read(tree, ino) : ''
      const holes = allocated !== undefined && allocated < size
      lines.push(
        [path, first, type, mode, uid, gid, nlink, size, mtime, holes, target, content]
          .concat(xattrs, values.map(String))
          .join(' '),
      )
      if (type === 'directory') stack.push({ ino, path, depth: next.depth + 1 })
    }
  }
  return lines.sort()
}

describe('a tree deeper than PATH_MAX', () => {
  let subject: TemporaryStorage
  let tree: Tree
  let directory: string
  let deepest: Ino

  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await subject.storage.tree('ann')
    directory = await temporaryDirectory('deep')
    const { ino: first } = await put(tree, { directory: tree.root, name: name('first') }, 'linked')
    deepest = tree.root
    const chain: Ino[] = [tree.root]
    for (let level = 0; level < LEVELS; level++) {
      const place = { directory: deepest, name: LONG }
      const made = await tree.make(place, { type: 'directory' }, { ...NEW, mode: 0o750 }, {})
      deepest = made.ino
      chain.push(deepest)
      if (level % 7 === 0) await tree.link(first, { directory: deepest, name: name('link') }, {})
    }
    const at = (text: string) => ({ directory: deepest, name: name(text) })
    const file = await put(tree, at('file'), 'deep')
    await tree.setXattr(file.ino, 'user.coffer', Buffer.from('value'), 'either', overwrite, {})
    const holed = await put(tree, at('holed'), 'begin')
    await tree.setAttributes(holed.ino, { size: 50_000_000 }, overwrite, {})
    await tree.make(at('soft'), { type: 'symlink', target: '../x' }, NEW, {})
    await tree.make(at('fifo'), { type: 'fifo' }, NEW, {})
    await tree.setXattr(deepest, 'user.of', Buffer.from('a directory'), 'either', overwrite, {})
    for (const [level, ino] of chain.entries()) {
      const mtime = 1_000_000_000_123_456_789n + BigInt(level)
      await tree.setAttributes(ino, { mtime, mode: 0o500 + (level % 8) }, overwrite, {})
    }
  })
  afterEach(async () => {
    await subject.close()
    await run('rm', ['-rf', directory])
    await removeDirectory(directory)
  })

  const none = (path: string, reason: string) => {
    throw new Error(`${path}: ${reason}`)
  }

  it('goes out and in again with all attributes, links, holes and times', async () => {
    const to = join(directory, 'to')
    await exportTree(tree, tree.root, to)
    expect((await lstat(to, { bigint: true })).mtimeNs).to.equal(1_000_000_000_123_456_789n)
    expect(await readdir(to)).to.have.members(['first', LONG])
    const bob = await subject.storage.tree('bob')
    const { skipped } = await importTree(bob, bob.root, to, none)
    expect(skipped).to.equal(0)
    expect(await everything(bob, bob.root)).to.deep.equal(await everything(tree, tree.root))
    expect(await subject.problems()).to.deep.equal([])
  }).timeout(30_000)

  it('goes out over what an earlier export left, and through no symlink that is in the way', async () => {
    const to = join(directory, 'to')
    const elsewhere = join(directory, 'elsewhere')
    await exportTree(tree, tree.root, to)
    await exportTree(tree, tree.root, to)
    await run('rm', ['-rf', join(to, LONG)])
    await mkdir(elsewhere)
    await symlink(elsewhere, join(to, LONG))
    await exportTree(tree, tree.root, to)
    expect(await readdir(elsewhere)).to.deep.equal([])
    const bob = await subject.storage.tree('bob')
    await importTree(bob, bob.root, to, none)
    expect(await everything(bob, bob.root)).to.deep.equal(await everything(tree, tree.root))
  }).timeout(30_000)

  it('is refused before anything is written where the system cannot name open directories', async () => {
    const nowhere = join(directory, 'nowhere')
    const outcome = await exportTree(tree, tree.root, directory, nowhere).then(
      () => 'it succeeded',
      (error: Error) => error.message,
    )
    expect(outcome).to.match(/paths of more than 3072 bytes .*\/nowhere/)
    expect(await readdir(directory)).to.deep.equal([])
  })

  it('is copied, and the copy is removed, whole', async () => {
    const top = await tree.lookup(tree.root, LONG)
    const place = { directory: tree.root, name: name('copy') }
    const how = { deep: true, source: overwrite, precondition: overwrite }
    const { inode } = await tree.copy(top.ino, place, how, {})
    const files = await everything(tree, inode.ino)
    expect(files).to.have.length(LEVELS - 1 + Math.ceil(LEVELS / 7) + 4)
    expect(files.filter((line) => line.includes('/file ')).join()).to.include('deep user.coffer')
    expect(await removeFiles(tree)).to.equal(2 * files.length + 3)
    expect(await tree.list(tree.root, { limit: 1 })).to.deep.equal([])
    expect(await subject.problems()).to.deep.equal([])
  }).timeout(30_000)
})
