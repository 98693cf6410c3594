import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { expect } from 'chai'
import { contentPath } from '../../../../server/storage/disk/content-path.js'
import { nodeDisk } from '../../../../server/storage/disk/disk.js'
import { type FsckOptions, fsck } from '../../../../server/storage/maintenance/fsck.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { openStorage } from '../../../../server/storage/sqlite-storage.js'
import { overwrite, type Storage, type Tree } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read, refused } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

describe('fsck', () => {
  let subject: TemporaryStorage
  let tree: Tree

  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await (subject.storage as Storage).tree('ann')
  })
  afterEach(() => subject.close())

  const run = async (mode: FsckOptions['mode']) => {
    const found: string[] = []
    const { directory, database } = subject
    const report = ({ problem, repaired }: { problem: string; repaired: boolean }) =>
      found.push(repaired ? `${problem}: repaired` : problem)
    const { found: count } = await fsck({ directory, database, mode, report })
    expect(count).to.equal(found.length)
    return found
  }
  const sql = (text: string) => subject.database.exec(text)

  const damages: [problem: string, damage: (ino: number, generation: number) => unknown][] = [
    ['entry without inode', () => sql(`INSERT INTO entries VALUES (${tree.root}, 'x', 999999)`)],
    ['entry without directory', (ino) => sql(`INSERT INTO entries VALUES (${ino}, 'x', ${ino})`)],
    ['name of a root', () => sql(`INSERT INTO entries VALUES (${tree.root}, 'x', ${tree.root})`)],
    ['lost inode', (ino) => sql(`DELETE FROM entries WHERE ino = ${ino}`)],
    ['kept in vain', (ino) => sql(`INSERT INTO kept VALUES (${ino}, 0, 0, 0)`)],
    ['attribute without inode', () => sql(`INSERT INTO xattrs VALUES (999999, 'user.a', x'00')`)],
    ['wrong link count', (ino) => sql(`UPDATE inodes SET nlink = 7 WHERE ino = ${ino}`)],
    ['wrong link count', () => sql(`UPDATE inodes SET nlink = 7 WHERE ino = ${tree.root}`)],
    ['wrong usage', () => sql('UPDATE trees SET bytes = bytes + 1')],
    ['wrong usage', () => sql('UPDATE trees SET inodes = 0')],
    ['wrong usage', () => sql('UPDATE trees SET links = 1')],
    ['counter behind', () => sql(`UPDATE counters SET value = 1 WHERE name = 'ino'`)],
    ['content missing', (_ino, generation) => nodeDisk.unlink(path(generation))],
    ['content too short', (ino) => sql(`UPDATE inodes SET size = 100 WHERE ino = ${ino}`)],
    ['content without inode', () => nodeDisk.close(nodeDisk.open(path(77), 0o101))],
  ]
  it("finds and repairs small contents that are missing, too short, or nobody's", async () => {
    await subject.close()
    subject = await temporaryStorage({ smallBytes: 4096 })
    tree = await subject.storage.tree('ann')
    const { ino } = await put(tree, at(tree, 'f'), 'content')
    await put(tree, at(tree, 'g'), 'content')
    expect(await run('check')).to.deep.equal([])
    for (const damage of [
      `DELETE FROM small_contents WHERE ino = ${ino}`,
      `UPDATE small_contents SET data = x'00'`,
      `INSERT INTO small_contents VALUES (999999, x'00')`,
    ]) {
      sql(damage)
      expect((await run('check')).join()).to.match(/small content/)
      expect((await run('repair')).join()).to.match(/small content .*: repaired/)
      expect(await run('repair')).to.deep.equal([])
    }
  })

  const path = (generation: number) => contentPath(join(subject.directory, 'content'), generation)

  for (const [problem, damage] of damages) {
    it(`finds and repairs: ${problem}`, async () => {
      const { ino, generation } = await put(tree, at(tree, 'f'), 'content')
      await subject.storage.swept()
      expect(await run('check')).to.deep.equal([])
      await damage(ino, generation)
      expect(await run('check')).to.include(problem)
      expect(await run('repair')).to.include(`${problem}: repaired`)
      expect(await run('repair')).to.deep.equal([])
    })
  }

  it('neither repairs nor opens while all contents are away, as on a disk that is not mounted', async () => {
    await put(tree, at(tree, 'f'), 'content')
    await subject.storage.swept()
    sql('UPDATE trees SET bytes = bytes + 1')
    const root = join(subject.directory, 'content')
    const open = async () => {
      const { directory, database } = subject
      await (await openStorage({ directory, database })).close()
      return 'opened'
    }
    const messageOf = (error: Error) => error.message
    await rename(root, `${root}.away`)
    for (const isThere of [false, true]) {
      if (isThere) await mkdir(join(root, 'lost+found'), { recursive: true })
      expect(await run('check'))
        .to.contain('content missing')
        .and.contain('wrong usage')
      for (const outcome of [await run('repair').catch(messageOf), await open().catch(messageOf)])
        expect(outcome).to.match(/content is empty, and 1 files .* mounted\?/)
    }
    await rm(root, { recursive: true })
    await rename(`${root}.away`, root)
    expect(await run('repair')).to.deep.equal(['wrong usage: repaired'])
    expect(await run('check')).to.deep.equal([])
    expect(await open()).to.equal('opened')
  })

  it('goes on without all contents when it is told so', async () => {
    const { ino } = await put(tree, at(tree, 'f'), 'content')
    await subject.storage.swept()
    const root = join(subject.directory, 'content')
    await rm(root, { recursive: true })
    await mkdir(join(root, '0'), { recursive: true })
    expect(await run('repair')).to.deep.equal(['content missing: repaired'])
    expect((await tree.stat(ino)).ino).to.equal(ino)
  })

  it('takes a file in a folder that is not its own for nothing, and so does the sweep', async () => {
    const directory = await temporaryDirectory('misplaced')
    await subject.close()
    subject = await temporaryStorage({ directory })
    try {
      tree = await subject.storage.tree('ann')
      const { ino, generation } = await put(tree, at(tree, 'f'), 'content')
      const elsewhere = dirname(path(generation + 1024))
      await mkdir(elsewhere, { recursive: true })
      await writeFile(join(elsewhere, basename(path(generation))), 'stray')
      await subject.storage.swept()
      expect(await run('repair')).to.deep.equal([])
      sql('UPDATE counters SET value = 5000')
      await subject.close()
      subject = await temporaryStorage({ directory })
      await subject.storage.swept()
      expect(await read(await subject.storage.tree('ann'), ino)).to.equal('content')
    } finally {
      await subject.close()
      await removeDirectory(directory)
      subject = await temporaryStorage()
    }
  })

  it('puts directories that cannot be reached into lost+found, a circle of them too', async () => {
    const attributes = { mode: 0o755, uid: 0, gid: 0 }
    const a = await tree.make(at(tree, 'a'), { type: 'directory' }, attributes, {})
    const inside = { directory: a.ino, name: name('b') }
    const b = await tree.make(inside, { type: 'directory' }, attributes, {})
    await put(tree, { directory: b.ino, name: name('f') }, 'found')
    sql(`UPDATE entries SET directory = ${b.ino} WHERE ino = ${a.ino}`)
    expect(await run('check')).to.include('lost directory')
    await run('repair')
    expect(await run('check')).to.deep.equal([])
    const lost = await tree.lookup(tree.root, name('lost+found'))
    const [entry] = await tree.list(lost.ino, { limit: 10 })
    expect(entry?.inode.type).to.equal('directory')
  })

  it('leaves out what a running server has on its way', async () => {
    const upload = await tree.upload()
    await upload.write(bytes(2_000_000))
    expect(await run('serving')).to.deep.equal([])
    expect(await run('check')).to.deep.equal(['content without inode'])
    await upload.abort()
  })

  it('leaves out what was removed while a backup needs it', async () => {
    await put(tree, at(tree, 'f'), 'content')
    const hold = `INSERT INTO holds (until, generation) SELECT ${2 ** 40}, value FROM counters WHERE name = 'generation'`
    sql(hold)
    await tree.remove(at(tree, 'f'), { kind: 'unlink', keep: false, precondition: overwrite }, {})
    expect(await run('check')).to.deep.equal([])
    expect(await run('repair')).to.deep.equal([])
    sql('DELETE FROM holds')
    expect(await run('check')).to.deep.equal(['content without inode'])
    expect(await run('repair')).to.deep.equal(['content without inode: repaired'])
    expect(await run('check')).to.deep.equal([])
  })

  it('changes nothing when it only checks', async () => {
    const { ino } = await put(tree, at(tree, 'f'), 'content')
    sql(`UPDATE inodes SET nlink = 7 WHERE ino = ${ino}`)
    await run('check')
    const row = subject.database.prepare('SELECT nlink FROM inodes WHERE ino = ?').get(ino)
    expect(row).to.deep.equal({ nlink: 7 })
    await refused('ENOENT', tree.lookup(tree.root, name('lost+found')))
  })
})

async function* bytes(size: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(size)
}
