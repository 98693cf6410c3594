import { expect } from 'chai'
import { entryJson, wireEntry } from '../../../../server/api/exchange/attributes.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { type NewInode, overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put } from '../../storage/contract.js'
import { type TemporaryStorage, temporaryStorage } from '../../storage/temporary.js'

describe('a page of a directory that the database spells', () => {
  let subject: TemporaryStorage
  let tree: Tree

  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await subject.storage.tree('ann')
  })
  afterEach(() => subject.close())

  const at = (text: string) => ({ directory: tree.root, name: name(text) })
  const attributes = { mode: 0o640, uid: 0xffff_fffe, gid: 7 }

  /** What both ways say, as JSON reads it. */
  async function both() {
    const { entries, last } = await tree.spell(tree.root, { limit: 1000 })
    const listed = await tree.list(tree.root, { limit: 1000 })
    expect(last).to.equal(listed.at(-1)?.name)
    return {
      spelled: entries.map((entry) => JSON.parse(entryJson(entry))),
      listed: listed.map((entry) => JSON.parse(JSON.stringify(wireEntry(entry)))),
      byDatabase: entries.filter((entry) => typeof entry === 'string').length,
    }
  }

  it('is what JavaScript makes of it, for every kind of inode and odd names', async () => {
    const kinds: NewInode[] = [
      { type: 'file' },
      { type: 'directory' },
      { type: 'fifo' },
      { type: 'socket' },
      { type: 'symlink', target: '/a "b" \\ \u0001 ü 😀' },
      { type: 'chardev', rdev: 0xffff_ffff },
      { type: 'blockdev', rdev: 1 },
    ]
    for (const what of kinds) await tree.make(at(what.type), what, attributes, {})
    const names = [
      '"quoted"',
      'back\\slash',
      '\u0001\u001f\n\t',
      'ü',
      '😀',
      '\u2028',
      "'",
      '{}',
      '%d',
    ]
    for (const text of names) await put(tree, at(text), 'content')
    const hole = await tree.make(at('hole'), { type: 'file' }, attributes, {})
    await tree.setAttributes(hole.ino, { size: 2 ** 53 - 1 }, overwrite, {})
    const sparse = await put(tree, at('sparse'), 'x'.repeat(100_000))
    await tree.setAttributes(sparse.ino, { size: 50_000_000 }, overwrite, {})
    await tree.setAttributes(sparse.ino, { mode: 0o600 }, overwrite, {})
    const { spelled, listed, byDatabase } = await both()
    expect(spelled).to.deep.equal(listed)
    expect(byDatabase).to.equal(listed.length)
  })

  it('is right for every time, also where only JavaScript can spell it', async () => {
    const second = 1_000_000_000n
    const times = [
      ...[0n, 1n, 999_999_999n, second, 1_795_478_112n * second + 1_999_999n],
      ...[9_223_372_035n * second + 999_999_999n, 9_223_372_036n * second, -1n, -second - 1n],
    ]
    for (const [index, time] of times.entries()) {
      const set = { ...attributes, atime: time, mtime: time }
      await tree.make(at(`t${index}`), { type: 'file' }, set, {})
    }
    const { spelled, listed, byDatabase } = await both()
    expect(spelled).to.deep.equal(listed)
    expect(byDatabase).to.equal(times.length - 3)
  })
})
