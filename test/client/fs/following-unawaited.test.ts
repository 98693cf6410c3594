import { expect } from 'chai'
import { caller, O_RDONLY, ROOT } from './kernel-calls.js'
import { type Machine, type World, world } from './local-mount.js'

describe('what is changed while removals are under way, where the server keeps their order', () => {
  let earth: World
  let here: Machine
  let letGo: () => void

  beforeEach(async () => {
    earth = await world()
    here = await earth.machine({}, 'told', { keepsOrder: true })
    await here.fs.statfs(ROOT, caller)
    for (const name of ['first', 'a', 'b', 'kept', 'open']) await here.calls.store(ROOT, name, 'x')
    await here.fs.mknod(ROOT, 'pipe', 0o010644, 0, caller)
    await here.calls.list(ROOT)
    // the first removal shows that this login may remove
    await here.fs.unlink(ROOT, 'first', caller)
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    here.fault.answer = (operation) => (operation === 'removeAll' ? gate : undefined)
    here.requests.clear()
  })
  afterEach(() => earth.close())

  /** Whether the server was asked for it before anything was heard of the removals. */
  async function goesOut(operation: string, change: () => Promise<unknown>): Promise<boolean> {
    let isDone = false
    const changed = change().then(() => {
      isDone = true
    })
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    const asked = here.requests.count(operation) > 0
    expect(isDone).to.equal(false)
    letGo()
    await changed
    return asked
  }

  const CHANGES: Readonly<Record<string, [string, (node: number) => Promise<unknown>]>> = {
    mkdir: ['make', () => here.fs.mkdir(ROOT, 'a', 0o755, caller)],
    symlink: ['make', () => here.fs.symlink(ROOT, 'a', 'target', caller)],
    link: ['link', (node) => here.fs.link(node, ROOT, 'other', caller)],
    rename: ['rename', () => here.fs.rename(ROOT, 'kept', ROOT, 'other', 0, caller)],
    'chmod of a FIFO': [
      'setAttributes',
      async () => {
        const { node } = await here.calls.lookup(ROOT, 'pipe')
        return here.fs.setattr(node, { mode: 0o600 }, undefined, caller)
      },
    ],
    'close of a new file': ['put', () => here.calls.store(ROOT, 'a', 'new')],
    'unlink of what is open': ['remove', () => here.fs.unlink(ROOT, 'open', caller)],
  }
  for (const [call, [operation, change]] of Object.entries(CHANGES)) {
    it(`goes out behind them, and is answered after them: ${call}`, async () => {
      const there = await earth.machine()
      const { node } = await here.calls.lookup(ROOT, 'kept')
      await here.calls.lookup(ROOT, 'other')
      const open = await here.calls.lookup(ROOT, 'open')
      await here.fs.open(open.node, O_RDONLY, caller)
      here.requests.clear()
      await here.fs.unlink(ROOT, 'a', caller)
      // this one would go with the next request
      await here.fs.unlink(ROOT, 'b', caller)
      expect(await goesOut(operation, () => change(node))).to.equal(true)
      const asked = here.requests.made
      const at = asked.findIndex((request) => request.startsWith(`${operation} `))
      expect(asked.indexOf('remove a')).to.be.within(0, at - (operation === 'remove' ? 0 : 1))
      expect(here.requests.count('removeAll')).to.equal(2)
      await here.fs.drain()
      expect(await here.calls.list(ROOT)).to.deep.equal(await there.calls.list(ROOT))
    })
  }

  const BACK: Readonly<Record<string, [string, (node: number) => Promise<unknown>]>> = {
    link: ['link', (node) => here.fs.link(node, ROOT, 'a', caller)],
    rename: ['rename', () => here.fs.rename(ROOT, 'kept', ROOT, 'a', 0, caller)],
  }
  for (const [call, [operation, change]] of Object.entries(BACK)) {
    it(`waits where it brings an inode to a name that is being taken away: ${call}`, async () => {
      const { node } = await here.calls.lookup(ROOT, 'kept')
      await here.fs.unlink(ROOT, 'a', caller)
      expect(await goesOut(operation, () => change(node))).to.equal(false)
      expect((await here.calls.lookup(ROOT, 'a')).node).to.equal(node)
    })
  }
})
