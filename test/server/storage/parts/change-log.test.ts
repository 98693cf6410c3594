import { expect } from 'chai'
import { KEPT_CHANGES, KEPT_SECONDS } from '../../../../server/storage/parts/change-log.js'
import { fileName } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { put } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

/** What a client finds that comes again after a long sleep. */
describe('the log of changes', () => {
  let subject: TemporaryStorage
  let tree: Tree
  beforeEach(async () => {
    subject = await temporaryStorage()
    tree = await subject.storage.tree('ann')
  })
  afterEach(() => subject.close())

  const change = (name: string) => put(tree, { directory: tree.root, name: fileName(name) }, name)
  const pass = (seconds: number) => {
    subject.clock.date = new Date(subject.clock.date.getTime() + seconds * 1000)
  }

  it('keeps what is younger than 30 days, and says start afresh to who needs more', async () => {
    await change('old')
    await change('old too')
    pass(KEPT_SECONDS / 2)
    await change('young')
    await subject.storage.sweep()
    expect((await tree.changes.after(0, 10)).kind).to.equal('changes')
    pass(KEPT_SECONDS / 2 + 1)
    await subject.storage.sweep()
    expect(await tree.changes.after(0, 10)).to.deep.equal({ kind: 'expired', newest: 3 })
    expect(await tree.changes.after(1, 10)).to.deep.equal({ kind: 'expired', newest: 3 })
    const page = await tree.changes.after(2, 10)
    expect(page.kind === 'changes' && page.changes.map(({ seq }) => seq)).to.deep.equal([3])
  })

  it('has forgotten everything of a tree that was left alone, and goes on counting', async () => {
    await change('a')
    pass(KEPT_SECONDS + 1)
    await subject.storage.sweep()
    expect((await tree.changes.after(0, 10)).kind).to.equal('expired')
    expect(await tree.changes.after(1, 10)).to.deep.equal({
      kind: 'changes',
      changes: [],
      newest: 1,
    })
    await change('b')
    const page = await tree.changes.after(1, 10)
    expect(page.kind === 'changes' && page.changes.map(({ seq }) => seq)).to.deep.equal([2])
  })

  it('keeps no more than 200,000', async () => {
    for (const name of ['a', 'b', 'c']) await change(name)
    // as if so many had been made since; a page of the log goes with every 128th
    const before = Math.ceil((KEPT_CHANGES + 3) / 128) * 128 - 1
    subject.database.prepare('UPDATE trees SET seq = ? WHERE owner = ?').run(before, 'ann')
    await change('d')
    expect((await tree.changes.after(3, 10)).kind).to.equal('expired')
    const count = subject.database.prepare('SELECT count(*) FROM changes').pluck().get()
    expect(count).to.equal(1)
  })

  it('answers with what was changed just now as with what is read back', async () => {
    const { root } = tree
    const place = (name: string, directory = root) => ({ directory, name: fileName(name) })
    const attributes = { mode: 0o755, uid: 0, gid: 0 }
    const origin = { connection: 'c1' }
    const folder = await tree.make(place('d'), { type: 'directory' }, attributes, origin)
    for (let count = 0; count < 300; count += 1) await change(`f${count}`)
    const how = { keep: false, source: overwrite, precondition: overwrite }
    const to = place('moved', folder.ino)
    await tree.rename(place('f1'), to, { mode: 'replace', ...how }, origin)
    await tree.rename(place('f2'), place('f3'), { mode: 'replace', ...how }, {})
    await tree.rename(place('f4'), place('f5'), { mode: 'exchange', ...how }, {})
    await tree.setAttributes(folder.ino, { mode: 0o700 }, overwrite, origin)
    await tree.remove(to, { kind: 'unlink', ...how }, origin)
    const refused = await change('d').catch(({ code }) => code)
    expect(refused).to.equal('EISDIR')

    const again = await temporaryStorage({ directory: subject.directory })
    const stored = (await again.storage.tree('ann')).changes
    const newest = await tree.changes.newest()
    for (let seq = 0; seq <= newest; seq += 7) {
      expect(await tree.changes.after(seq, 40)).to.deep.equal(await stored.after(seq, 40))
    }
    expect(await tree.changes.after(newest + 1, 40)).to.deep.equal({ kind: 'expired', newest })
    expect(await stored.newest()).to.equal(newest)
    await again.close()
  })
})
