import { expect } from 'chai'
import { LateAnswers } from '../../../client/fuse/late-answers.js'
import { OPERATIONS } from '../../../client/fuse/operations.js'
import { MemoryFileSystem } from './memory-file-system.js'

const ROOT = 1
const context = { uid: 0, gid: 0, pid: 0, signal: new AbortController().signal }

describe('an answer that the kernel may take up after it was told to drop what it says', () => {
  const fs = new MemoryFileSystem()
  let node: number

  before(async () => {
    const { entry } = await fs.create(ROOT, 'f', 0o644, 0, context)
    node = entry.node
  })

  it('to a lookup is about the name in its directory, and about the attributes', async () => {
    const answer = await OPERATIONS.lookup(fs, ROOT, { name: 'f' }, context)
    expect(answer.about).to.deep.equal([ROOT, node])
  })

  it('to a lookup is about nothing where there is no such name, for of these the kernel keeps none that it did not ask for anew', async () => {
    fs.validMilliseconds = 1000
    expect((await OPERATIONS.lookup(fs, ROOT, { name: 'g' }, context)).about).to.equal(undefined)
  })

  it('to a link, a new file, new attributes and a listing is about the attributes', async () => {
    const linked = await OPERATIONS.link(fs, ROOT, { source: node, newName: 'l' }, context)
    expect(linked.about, 'link').to.deep.equal([node])
    const fields = { name: 'n', mode: 0o644, umask: 0, flags: 0, killPrivileges: false }
    const made = await OPERATIONS.create(fs, ROOT, fields, context)
    const another = (await fs.lookup(ROOT, 'n', context)).node
    expect(made.about, 'create').to.deep.equal([another])
    const change = { changes: { mode: 0o600 }, handle: undefined, killPrivileges: false }
    const changed = await OPERATIONS.setattr(fs, node, change, context)
    expect(changed.about, 'setattr').to.deep.equal([node])
    const { handle } = await fs.opendir(ROOT, context)
    const range = { handle, offset: 0, size: 4096 }
    const listed = await OPERATIONS.readdirplus(fs, ROOT, range, context)
    expect(listed.about, 'readdirplus').to.include.members([node, another])
  })

  it('is taken back once more a second later, also where the clock is set back', () => {
    let now = 7_200_000
    const told: string[] = []
    const answers = new LateAnswers(() => now)
    const tell = (what: string) => answers.told(node, what, () => told.push(what))
    answers.answered([node])
    tell('before')
    now = 3_600_000
    answers.answered([node])
    tell('after')
    now += 1000
    answers.tell()
    answers.close()
    expect(told).to.deep.equal(['before', 'after'])
  })
})
