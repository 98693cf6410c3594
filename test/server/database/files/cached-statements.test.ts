import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Database, openDatabase } from '../../../../server/database/database.js'
import {
  type CachedStatements,
  cachedStatements,
} from '../../../../server/database/files/cached-statements.js'
import type { InodeRow } from '../../../../server/database/files/inode-rows.js'
import { RowCache } from '../../../../server/database/files/row-cache.js'
import {
  type FileStatements,
  fileStatements,
} from '../../../../server/database/files/statements.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put, refused } from '../../storage/contract.js'
import { type TemporaryStorage, temporaryStorage } from '../../storage/temporary.js'

describe('statements with rows at hand', () => {
  let subject: TemporaryStorage
  let tree: Tree

  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await subject.storage.tree('ann')
  })
  afterEach(() => subject.close())

  const at = (text: string) => ({ directory: tree.root, name: name(text) })

  it('know nothing of a change that was rolled back', async () => {
    const { bytes, inodes } = await subject.storage.quota('ann')
    const { ino } = await put(tree, at('old'), 'old content')
    const before = await tree.stat(tree.root)
    await subject.storage.setQuota('ann', { maxBytes: bytes + 20, maxInodes: inodes + 1 })
    // the quota is charged last, when names, inodes and contents have been written
    await refused('EDQUOT', tree.make(at('new'), { type: 'file' }, ATTRIBUTES, {}))
    const parts = [{ offset: 0, data: Buffer.alloc(100, 'x') }]
    await refused('EDQUOT', tree.write(ino, parts, overwrite, {}))

    await refused('ENOENT', tree.lookup(tree.root, name('new')))
    expect(await tree.stat(tree.root)).to.deep.equal(before)
    expect((await tree.stat(ino)).size).to.equal(11)
    const content = await tree.open(ino)
    expect((await content.read(0, 100)).toString()).to.equal('old content')
  })

  it('write three pages for a chmod, also of a file that has its content in a file', async () => {
    const { ino } = await put(tree, at('f'), 'content')
    const { database, directory } = subject
    await subject.storage.swept()
    database.pragma('wal_checkpoint(TRUNCATE)')
    await tree.setAttributes(ino, { mode: 0o600 }, overwrite, {})
    const page = Number(database.pragma('page_size', { simple: true }))
    const { size } = statSync(join(directory, 'coffer.db-wal'))
    expect((size - 32) / (24 + page)).to.equal(3)
    expect((await tree.stat(ino)).mode).to.equal(0o600)
  })

  it('keep what was changed before an inner transaction was rolled back, until the outer one is', () => {
    const { database, sql, plain } = statements()
    const outer = database.transaction(() => {
      sql.insertEntry.run(1, 'outer', 7)
      const inner = database.transaction(() => {
        sql.insertEntry.run(1, 'inner', 8)
        throw new Error('no')
      })
      expect(inner).to.throw('no')
      sql.rolledBack()
      expect(sql.entry.get(1, 'outer')?.ino).to.equal(7)
      expect(sql.entry.get(1, 'inner')).to.equal(undefined)
      throw new Error('neither')
    })
    sql.insertInode.run(row(7))
    sql.ended()
    expect(outer).to.throw('neither')
    sql.rolledBack()
    sql.ended()
    expect(plain.entry.get(1, 'outer')).to.equal(undefined)
    expect(sql.entry.get(1, 'outer')).to.equal(undefined)
    database.close()
  })

  it('have a content at hand that was written anew, until that is rolled back', () => {
    const { database, sql, plain } = statements()
    const content = () => String(sql.smallContent.get(7)?.data)
    sql.insertInode.run(row(7))
    sql.setSmallContent.run(7, Buffer.from('old'))
    sql.ended()
    const writing = database.transaction(() => {
      sql.rewriteSmallContent.run(7, Buffer.from('new'))
      plain.setSmallContent.run(7, Buffer.from('only in the table'))
      expect(content()).to.equal('new')
      throw new Error('no')
    })
    expect(writing).to.throw('no')
    sql.rolledBack()
    sql.ended()
    expect(content()).to.equal('old')
    sql.rewriteSmallContent.run(7, Buffer.from('newer'))
    expect(String(plain.smallContent.get(7)?.data)).to.equal('newer')
    database.close()
  })

  it('are right, too, about what was read so long ago that it is not at hand any more', () => {
    const { database, sql, plain } = statements()
    const count = 35_000
    database.transaction(() => {
      for (let ino = 10; ino < count; ino++) sql.insertInode.run(row(ino))
      sql.insertEntry.run(1, 'f', 10)
      for (let index = 0; index < 2 * count; index++) sql.entry.get(1, `none${index}`)
    })()
    sql.ended()
    for (const ino of [10, 20_000, count - 1]) {
      sql.touchDirectory.run(1, { sec: 5, nsec: 6 }, ino)
      expect(sql.inode.get(ino)).to.deep.equal(plain.inode.get(ino))
    }
    expect(sql.entry.get(1, 'f')).to.deep.equal(plain.inode.get(10))
    database.close()
  })

  it('remember so many contents, however small they are, and no symlinks as long as a path', () => {
    const cache = new RowCache()
    for (let ino = 1; ino <= 100_000; ino++) cache.keepContent(ino, { data: Buffer.alloc(1) })
    const kept = Array.from({ length: 100_000 }, (_, at) => at + 1).filter(
      (ino) => cache.content(ino) !== undefined,
    )
    expect(kept.length).to.be.within(10_000, 70_000)
    expect(kept.at(-1)).to.equal(100_000)
    cache.keepInode({ ...row(7), target: 'short' })
    expect(cache.inode(7)?.target).to.equal('short')
    cache.writeInode({ ...row(7), target: 'x'.repeat(4000) })
    expect(cache.inode(7)).to.equal(undefined)
  })
})

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0 }

function statements(): { database: Database; sql: CachedStatements; plain: FileStatements } {
  const database = openDatabase(':memory:')
  return { database, sql: cachedStatements(database), plain: fileStatements(database) }
}

function row(ino: number): InodeRow {
  return {
    ...{ ino, tree: 1, mode: 0o100644, uid: 0, gid: 0, nlink: 1, size: 0, rdev: 0 },
    ...{ atime_sec: 1, atime_nsec: 2, mtime_sec: 1, mtime_nsec: 2, ctime_sec: 1, ctime_nsec: 2 },
    ...{
      crtime_sec: 1,
      crtime_nsec: 2,
      version: 1,
      generation: 0,
      stored: 0 as const,
      allocated: null,
      target: null,
      permissions: 0,
    },
  }
}
