import { expect } from 'chai'
import type { RemoteNews } from '../../../../client/remote/remote-files.js'
import { caller, O_RDONLY, ROOT } from '../kernel-calls.js'
import { type Machine, type World, world } from '../local-mount.js'

/** Resolves once what the test said was heard. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
}

/** How a stream comes about that does not tell what others did before. */
const ANEW: readonly [when: string, before: RemoteNews[], after: RemoteNews[]][] = [
  ['is connected for the first time', [], [{ kind: 'connected' }]],
  [
    'has missed some',
    [{ kind: 'connected' }],
    [{ kind: 'lost' }, { kind: 'connected' }, { kind: 'reset' }, { kind: 'told', newest: 9 }],
  ],
]

for (const [when, before, after] of ANEW) {
  describe(`a stream of changes that ${when}`, () => {
    let earth: World
    let here: Machine
    let there: Machine
    let arrive: () => void

    beforeEach(async () => {
      earth = await world()
      there = await earth.machine()
      await there.calls.store(ROOT, 'f', 'x')
      here = await earth.machine({}, 'as the test says')
      here.news.say(...before)
      await settled()
    })
    afterEach(() => earth.close())

    /** The server answers, and the answer comes once the stream is there, which is after others changed what it says. */
    async function underWay<T>(
      ask: () => T | Promise<T>,
      change: () => Promise<unknown>,
    ): Promise<T> {
      const arrival = new Promise<void>((resolve) => {
        arrive = resolve
      })
      here.fault.answer = () => arrival
      const asked = ask()
      await settled()
      await change()
      here.news.say(...after)
      await settled()
      arrive()
      delete here.fault.answer
      return asked
    }

    const unlink = () => there.fs.unlink(ROOT, 'f', caller)

    it('keeps no name that was on its way', async () => {
      const found = await underWay(() => here.calls.lookup(ROOT, 'f'), unlink)
      expect(found.validMilliseconds).to.equal(0)
      expect(found.attributes.validMilliseconds).to.equal(0)
      expect((await here.calls.lookup(ROOT, 'f')).node).to.equal(0)
    })

    it('keeps no listing that was on its way', async () => {
      await underWay(() => here.calls.list(ROOT), unlink)
      expect(await here.calls.list(ROOT)).to.deep.equal([])
      expect((await here.calls.lookup(ROOT, 'f')).node).to.equal(0)
    })

    it('keeps no attributes that were on their way, with bytes', async () => {
      const { node } = await here.calls.lookup(ROOT, 'f')
      const { handle } = await here.fs.open(node, O_RDONLY, caller)
      earth.pass(2000)
      const longer = async () => {
        const theirs = await there.calls.lookup(ROOT, 'f')
        await there.fs.setattr(theirs.node, { size: 7 }, undefined, caller)
      }
      await underWay(() => here.fs.read(node, handle, 0, 10, caller), longer)
      expect((await here.calls.stat(node)).size).to.equal(7)
      await here.fs.release(node, handle, caller)
    })

    it('leaves no pages of a file that is open, for who reads on and asks for nothing else', async () => {
      const { node } = await here.calls.lookup(ROOT, 'f')
      const { handle } = await here.fs.open(node, O_RDONLY, caller)
      await here.fs.read(node, handle, 0, 10, caller)
      await there.calls.store(ROOT, 'f', 'y')
      here.news.say(...after)
      await settled()
      expect(here.invalidated).to.include(`inode ${node} 0`)
      await here.fs.release(node, handle, caller)
    })
  })
}

describe('names that the mount has forgotten, when a stream has missed changes', () => {
  it('are those of directories that are there: of a removed one the kernel believes none', async () => {
    const earth = await world()
    try {
      const { fs, calls, news, invalidated } = await earth.machine({}, 'as the test says')
      news.say({ kind: 'connected' })
      await settled()
      const { node } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      await calls.store(node, 'x', '')
      await fs.unlink(node, 'x', caller)
      await fs.rmdir(ROOT, 'd', caller)
      news.say({ kind: 'lost' }, { kind: 'connected' }, { kind: 'reset' })
      await settled()
      expect(invalidated).to.include(`entry ${ROOT} d`)
      expect(invalidated).to.not.include(`entry ${node} x`)
    } finally {
      await earth.close()
    }
  })
})

describe('a stream that begins anew', () => {
  it('has not told what had the same numbers before, as of a server that was put back', async () => {
    const earth = await world()
    try {
      const there = await earth.machine()
      const { news, fs, calls } = await earth.machine({}, 'as the test says')
      news.say({ kind: 'connected' }, { kind: 'told', newest: Number.MAX_SAFE_INTEGER })
      await settled()
      const { node } = await calls.store(ROOT, 'f', '')
      news.say({ kind: 'lost' }, { kind: 'connected' }, { kind: 'reset' })
      news.say({ kind: 'told', newest: 1 })
      await settled()
      expect((await calls.stat(node)).size).to.equal(0)
      const theirs = await there.calls.walk('f')
      await there.fs.setattr(theirs.node, { size: 1 }, undefined, caller)
      await fs.mkdir(ROOT, 'lock', 0o755, caller)
      expect((await calls.lookup(ROOT, 'f')).attributes?.size).to.equal(1)
    } finally {
      await earth.close()
    }
  })

  it('leaves no content that was written here, for its version may mean another one', async () => {
    const earth = await world()
    try {
      const { news, fs, calls, requests, invalidated } = await earth.machine({}, 'as the test says')
      news.say({ kind: 'connected' })
      await settled()
      const { node } = await calls.store(ROOT, 'f', 'x')
      const readAgain = async () => {
        requests.clear()
        const { handle } = await fs.open(node, O_RDONLY, caller)
        await fs.read(node, handle, 0, 10, caller)
        await fs.release(node, handle, caller)
        return requests.made.filter((made) => made.startsWith('read'))
      }
      expect(await readAgain()).to.deep.equal([])
      invalidated.length = 0
      news.say({ kind: 'lost' }, { kind: 'reset' }, { kind: 'connected' })
      await settled()
      expect(invalidated).to.include(`inode ${node} 0`)
      expect(await readAgain()).to.have.length(1)
    } finally {
      await earth.close()
    }
  })
})
