import { expect } from 'chai'
import { caller, ROOT } from './kernel-calls.js'
import { type Machine, type World, world } from './local-mount.js'

describe('a directory that is renamed', () => {
  let earth: World
  let here: Machine
  let [a, b, moved] = [0, 0, 0]

  beforeEach(async () => {
    earth = await world()
    here = await earth.machine({}, 'told')
    await here.fs.statfs(ROOT, caller)
    a = (await here.fs.mkdir(ROOT, 'a', 0o755, caller)).node
    b = (await here.fs.mkdir(ROOT, 'b', 0o755, caller)).node
    moved = (await here.fs.mkdir(a, 'moved', 0o755, caller)).node
    for (const node of [ROOT, a, b, moved]) await here.calls.stat(node)
    await here.calls.lookup(a, 'new')
    await here.calls.lookup(b, 'new')
    here.requests.clear()
  })
  afterEach(() => earth.close())

  const PLACES: Readonly<Record<string, () => number>> = {
    'within a directory': () => a,
    'into another one': () => b,
  }
  for (const [where, to] of Object.entries(PLACES)) {
    it(`leaves nothing to ask about those that it was and is in: ${where}`, async () => {
      await here.fs.rename(a, 'moved', to(), 'new', 0, caller)
      const nodes = [ROOT, a, b, moved]
      const shown = await Promise.all(nodes.map((node) => here.calls.stat(node)))
      expect(here.requests.made).to.deep.equal(['rename moved'])
      const there = await earth.machine()
      for (const [index, path] of ['a', 'b', to() === a ? 'a/new' : 'b/new'].entries()) {
        const { node } = await there.calls.walk(path)
        const { mtime, ctime, nlink } = await there.calls.stat(node)
        expect(shown[index + 1]).to.deep.include({ mtime, ctime, nlink })
      }
    })
  }

  it('has those asked about whose number of directories nobody here knows', async () => {
    await here.fs.mkdir(b, 'new', 0o755, caller)
    await here.fs.rename(a, 'moved', b, 'new', 0, caller)
    const { nlink } = await here.calls.stat(b)
    const there = await earth.machine()
    expect((await there.calls.stat((await there.calls.walk('b')).node)).nlink).to.equal(nlink)
  })
})
