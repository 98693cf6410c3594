import { expect } from 'chai'
import { KEPT_CHANGES, KEPT_SECONDS } from '../../../server/storage/change-log.js'
import { fileName } from '../../../server/storage/path.js'
import type { Tree } from '../../../server/storage/storage.js'
import { put } from './contract.js'
import { type TemporaryStorage, temporaryStorage } from './temporary.js'

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
})
