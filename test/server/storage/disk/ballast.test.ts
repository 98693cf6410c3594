import { constants } from 'node:fs'
import { access, open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Database, openDatabase } from '../../../../server/database/database.js'
import { groupCommitOf } from '../../../../server/database/group-commit.js'
import { fileName } from '../../../../server/storage/path.js'
import { openStorage, type SqliteStorage } from '../../../../server/storage/sqlite-storage.js'
import { type Inode, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { requires } from '../../../support/requires.js'
import { type SmallDisk, smallDisk } from '../../../support/small-disk.js'
import { put, refused } from '../contract.js'

const MIB = 2 ** 20
const DISK_BYTES = 24 * MIB
const BALLAST_BYTES = 4 * MIB
const RESERVE_BYTES = MIB

describe('removing files on a full disk', () => {
  let disk: SmallDisk
  let directory: string
  let database: Database
  let storage: SqliteStorage
  let tree: Tree
  let kept: Inode
  beforeEach(async function () {
    requires(this, 'root')
    disk = await smallDisk('ballast', DISK_BYTES)
    directory = disk.directory
    database = openDatabase(join(directory, 'coffer.db'))
    storage = await openStorage({
      directory,
      database,
      ballastBytes: BALLAST_BYTES,
      reserveBytes: RESERVE_BYTES,
    })
    tree = await storage.tree('ann')
    for (const name of ['a', 'b', 'c']) await put(tree, at(name), 'x'.repeat(100_000))
    kept = await put(tree, at('kept'), 'x'.repeat(100_000))
    await storage.keepBallast()
  })
  afterEach(async () => {
    await storage?.close()
    database?.close()
    await disk?.remove()
  })

  const at = (name: string) => ({ directory: tree.root, name: fileName(name) })
  const how = { kind: 'unlink', keep: false, precondition: overwrite } as const
  const isThere = (name: string) =>
    access(join(directory, name), constants.F_OK).then(
      () => true,
      () => false,
    )

  it('works, one by one and together, and of what had no name any more', async () => {
    const open = await tree.remove(at('kept'), { ...how, keep: true }, {})
    expect(open.ino).to.equal(kept.ino)
    await disk.fill()
    await refused('ENOSPC', put(tree, at('new'), 'x'))
    await tree.remove(at('a'), how, {})
    const [removed] = await tree.removeAll([{ place: at('b'), kind: 'unlink' }], {})
    expect(removed?.kind).to.equal('removed')
    await tree.release(kept.ino, overwrite)
    expect((await tree.list(tree.root, { limit: 10 })).map(({ name }) => name)).to.deep.equal(['c'])
  })

  it('goes on when there was room, which is kept again', async () => {
    await disk.fill()
    await tree.remove(at('a'), how, {})
    expect(await isThere('ballast')).to.equal(false)
    await storage.keepBallast()
    expect(await isThere('ballast'), 'with no room').to.equal(false)
    await disk.clear()
    await storage.keepBallast()
    await disk.fill()
    await tree.remove(at('b'), how, {})
    expect(await isThere('ballast')).to.equal(false)
  })

  it('is for who has a token, which is kept in the same database', async () => {
    await disk.fill()
    const keep = database.prepare("INSERT INTO settings VALUES ('a', hex(zeroblob(50000)))")
    const { changes } = await groupCommitOf(database).run(() => keep.run())
    expect(changes).to.equal(1)
    expect(await isThere('ballast')).to.equal(false)
  })

  it('takes nothing for that of what it must leave', async () => {
    await rm(join(directory, 'ballast'))
    const { bsize, bavail } = await statfs(directory)
    const file = await open(join(directory, 'filler'), 'a')
    await file.write(Buffer.alloc(bsize * bavail - BALLAST_BYTES - RESERVE_BYTES + bsize))
    await file.close()
    await storage.keepBallast()
    expect(await isThere('ballast')).to.equal(false)
  })
})
