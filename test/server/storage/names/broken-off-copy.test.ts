import { expect } from 'chai'
import { fileName } from '../../../../server/storage/path.js'
import { type Ino, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const FILES = 1000
const ATTRIBUTES = { mode: 0o755, uid: 0, gid: 0 }

describe('a copy of a directory that a crash broke off', () => {
  let directory: string
  let subject: TemporaryStorage
  let tree: Tree
  let original: Ino

  const start = async () => {
    subject = await temporaryStorage({ directory, smallBytes: 1024 })
    tree = await subject.storage.tree('ann')
  }
  const folder = async (name: string): Promise<Ino> => {
    const place = { directory: tree.root, name: fileName(name) }
    const { ino } = await tree.make(place, { type: 'directory' }, ATTRIBUTES, {})
    const terms = { precondition: overwrite, origin: {} }
    for (let count = 0; count < FILES; count += 1) {
      const file = { directory: ino, name: fileName(`file${count}`) }
      await tree.create(file, Buffer.from('small'), ATTRIBUTES, terms)
    }
    return ino
  }
  const namesIn = (ino: Ino) =>
    subject.database.prepare('SELECT count(*) FROM entries WHERE directory = ?').pluck().get(ino)

  let left: Ino
  beforeEach(async () => {
    directory = await temporaryDirectory('broken-off-copy')
    await start()
    original = await folder('original')
    left = await folder('left')
    // as it is while it grows
    const { database } = subject
    database.prepare('DELETE FROM entries WHERE ino = ?').run(left)
    database.prepare('UPDATE inodes SET nlink = 0 WHERE ino = ?').run(left)
    database.prepare('UPDATE inodes SET nlink = nlink - 1 WHERE ino = ?').run(tree.root)
    database.prepare('INSERT INTO kept (ino, used, building) VALUES (?, 0, 1)').run(left)
    await subject.close()
    await start()
  })
  afterEach(async () => {
    await subject.close()
    await removeDirectory(directory)
  })

  it('is swept beside others that are made meanwhile', async () => {
    const place = { directory: tree.root, name: fileName('copy') }
    const how = { deep: true, source: overwrite, precondition: overwrite }
    const { inode } = await tree.copy(original, place, how, {})
    await subject.storage.swept()
    expect(namesIn(inode.ino)).to.equal(FILES)
    expect(namesIn(left)).to.equal(0)
    expect(await subject.problems()).to.deep.equal([])
  })

  it('keeps nobody waiting who stops the server, and is swept by the next one', async () => {
    await subject.close()
    await start()
    expect(namesIn(left)).to.be.above(0)
    await subject.storage.swept()
    expect(namesIn(left)).to.equal(0)
  })
})
