import { expect } from 'chai'
import { caller, O_RDONLY, O_WRONLY, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'

type Work<T = unknown> = () => Promise<T> | T

describe('answers and news that come in another order than things happened', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines('told'))
    await here.fs.statfs(ROOT, caller)
    await there.fs.statfs(ROOT, caller)
  })
  afterEach(() => earth.close())

  /** Begins something; what the server answers to it comes when it is let go. */
  async function held<T>(operation: string, begin: Work<T>): Promise<() => Promise<T>> {
    let letGo = (): void => {}
    const carriedOut = new Promise<void>((resolve) => {
      here.fault.answer = (asked) => {
        if (asked !== operation) return undefined
        delete here.fault.answer
        resolve()
        return new Promise((arrives) => {
          letGo = arrives
        })
      }
    })
    const begun = Promise.resolve(begin())
    await Promise.race([carriedOut, begun])
    if (here.fault.answer !== undefined) throw new Error(`nobody asked the server to ${operation}`)
    return () => {
      letGo()
      return begun
    }
  }

  /** Resolves once the kernel of this machine was told to drop something. */
  async function heard(what: string, work: Work): Promise<void> {
    here.invalidated.splice(0)
    await work()
    while (!here.invalidated.includes(what)) await new Promise(setImmediate)
  }

  describe('a listing that is older than a change of our own', () => {
    let directory: number
    const inDirectory = async (name: string) => (await here.calls.lookup(directory, name)).node

    beforeEach(async () => {
      const { node } = await there.fs.mkdir(ROOT, 'd', 0o755, caller)
      await there.calls.store(node, 'f', 'x')
      await heard('entry 1 last', () => there.calls.store(ROOT, 'last', 'y'))
      directory = (await here.calls.lookup(ROOT, 'd')).node
    })

    it('does not hide a new file', async () => {
      const arrives = await held('list', () => here.calls.list(directory))
      await here.calls.store(directory, 'new', 'x')
      await arrives()
      expect(await inDirectory('new')).not.to.equal(0)
      expect(await here.calls.list(directory)).to.deep.equal(['f', 'new'])
    })

    it('does not bring back an old size', async () => {
      const arrives = await held('list', () => here.calls.list(directory))
      const { node } = await here.calls.store(directory, 'f', 'longer')
      await arrives()
      expect((await here.calls.stat(node)).size).to.equal(6)
    })
  })

  describe('the answer to a change of our own that is older than what others did', () => {
    it('does not bring back an old mode', async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'x')
      const { node: other } = await there.calls.lookup(ROOT, 'f')
      const arrives = await held('setAttributes', () =>
        here.fs.setattr(node, { mode: 0o600 }, undefined, caller),
      )
      await heard(`inode ${node} -1`, () =>
        there.fs.setattr(other, { mode: 0o640 }, undefined, caller),
      )
      await arrives()
      expect((await here.calls.stat(node)).mode).to.equal(0o100640)
    })

    it('is waited for by who looks at what was set of an open file', async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'x')
      const { handle } = await here.fs.open(node, O_WRONLY, caller)
      await here.fs.setattr(node, { mode: 0o600 }, handle, caller)
      const arrives = await held('setAttributes', () => here.fs.fsync(node, handle, false, caller))
      const seen = here.calls.stat(node)
      await arrives()
      expect((await seen).mode).to.equal(0o100600)
    })

    it('does not bring back old content', async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'x')
      const arrives = await held('write', () => here.calls.store(ROOT, 'f', 'ours'))
      await heard(`inode ${node} 0`, () => there.calls.store(ROOT, 'f', 'of somebody else'))
      await arrives()
      expect((await here.calls.stat(node)).size).to.equal(16)
      expect(await here.calls.text(node)).to.equal('of somebody else')
    })

    it('does not bring back a new directory that is gone, and the kernel keeps nothing of it', async () => {
      await here.calls.list(ROOT)
      const arrives = await held('make', () => here.fs.mkdir(ROOT, 'd', 0o755, caller))
      await heard('entry 1 d', () => there.fs.rmdir(ROOT, 'd', caller))
      expect(await arrives()).to.include({ validMilliseconds: 0 })
      expect((await here.calls.lookup(ROOT, 'd')).node).to.equal(0)
    })

    it('does not bring back a new file that is gone, which the kernel was shown', async () => {
      await here.calls.lookup(ROOT, 'f')
      const arrives = await held('put', () => here.calls.store(ROOT, 'f', 'x'))
      await heard('entry 1 f', () => there.fs.unlink(ROOT, 'f', caller))
      here.invalidated.splice(0)
      await arrives()
      expect(here.invalidated).to.include('entry 1 f')
      expect((await here.calls.lookup(ROOT, 'f')).node).to.equal(0)
    })

    it('does not bring back a new link that is gone', async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'x')
      const arrives = await held('link', () => here.fs.link(node, ROOT, 'g', caller))
      await heard('entry 1 g', () => there.fs.unlink(ROOT, 'g', caller))
      await arrives()
      expect((await here.calls.lookup(ROOT, 'g')).node).to.equal(0)
      expect((await here.calls.stat(node)).nlink).to.equal(1)
    })

    it('does not move names that were moved back', async () => {
      const a = await here.calls.store(ROOT, 'a', 'x')
      const arrives = await held('rename', () => here.fs.rename(ROOT, 'a', ROOT, 'b', 0, caller))
      await heard('entry 1 a', () => there.fs.rename(ROOT, 'b', ROOT, 'a', 0, caller))
      await arrives()
      expect((await here.calls.lookup(ROOT, 'a')).node).to.equal(a.node)
      expect((await here.calls.lookup(ROOT, 'b')).node).to.equal(0)
    })

    it('does not hide what took the place of what we removed', async () => {
      await here.calls.store(ROOT, 'f', 'old')
      const { node } = await here.calls.lookup(ROOT, 'f')
      const file = await here.fs.open(node, O_RDONLY, caller)
      const arrives = await held('remove', () => here.fs.unlink(ROOT, 'f', caller))
      await heard('entry 1 f', () => there.calls.store(ROOT, 'f', 'newer'))
      await arrives()
      expect((await here.calls.lookup(ROOT, 'f')).attributes.size).to.equal(5)
      await here.fs.release(node, file.handle, caller)
    })
  })

  describe('two changes of our own, answered the other way round', () => {
    it('leave the later size', async () => {
      const { node } = await here.calls.store(ROOT, 'log', 'x')
      const arrives = await held('rename', () =>
        here.fs.rename(ROOT, 'log', ROOT, 'log.1', 0, caller),
      )
      const { handle } = await here.fs.open(node, 1, caller)
      await here.fs.write(node, handle, 1, Buffer.from('yz'), caller)
      await here.fs.flush(node, handle, caller)
      await arrives()
      await here.fs.release(node, handle, caller)
      expect((await here.calls.stat(node)).size).to.equal(3)
    })

    it('leave the later time of a directory', async () => {
      const { node } = await here.fs.mkdir(ROOT, 'd', 0o755, caller)
      const arrives = await held('setAttributes', () =>
        here.fs.setattr(node, { mode: 0o700 }, undefined, caller),
      )
      await here.calls.store(node, 'f', 'x')
      const { mtime } = await there.calls.walk('d').then(({ attributes }) => attributes)
      await arrives()
      expect((await here.calls.stat(node)).mtime).to.deep.equal(mtime)
    })
  })

  describe('a write that waits for what others did', () => {
    const place = 600 << 10
    let known: number
    let reader: number
    let writer: number
    const write = (text: string) => here.fs.write(known, writer, place, Buffer.from(text), caller)
    const read = async (offset: number, length: number) =>
      (await here.fs.read(known, reader, offset, length, caller)).toString()

    beforeEach(async () => {
      const { node } = await there.calls.store(ROOT, 'f', 'x'.repeat(1 << 20))
      known = (await here.calls.lookup(ROOT, 'f')).node
      reader = (await here.fs.open(known, O_RDONLY, caller)).handle
      writer = (await here.fs.open(known, O_WRONLY, caller)).handle
      await write('once')
      await here.fs.flush(known, writer, caller)
      const other = await there.fs.open(node, O_WRONLY, caller)
      await there.fs.write(node, other.handle, 0, Buffer.from('theirs'), caller)
      await heard(`inode ${known} 0`, () => there.fs.flush(node, other.handle, caller))
    })

    it('is shown to who reads after it', async () => {
      const arrives = await held('stat', () => write('ours'))
      const after = read(place, 4)
      await new Promise(setImmediate)
      await arrives()
      expect(await after).to.equal('ours')
    })

    it('outlives what is read ahead meanwhile for who read before it', async () => {
      let before: Promise<string> | undefined
      const arrives = await held('stat', () => {
        before = read(0, 512 << 10)
        return write('ours')
      })
      expect((await before)?.slice(0, 6)).to.equal('theirs')
      await arrives()
      await here.fs.flush(known, writer, caller)
      expect(await read(place, 4)).to.equal('ours')
    })
  })

  it('counts a new directory once that its parent was told with', async () => {
    const arrives = await held('make', () => here.fs.mkdir(ROOT, 'd', 0o755, caller))
    earth.pass(3_600_001)
    await heard('inode 1 -1', () => there.fs.setattr(ROOT, { mode: 0o750 }, undefined, caller))
    const { nlink } = await here.calls.stat(ROOT)
    await arrives()
    expect((await here.calls.stat(ROOT)).nlink).to.equal(nlink)
  })

  describe('a removal that nobody waits for', () => {
    let directory: number

    beforeEach(async () => {
      // the first removal shows that this login may remove
      await here.calls.store(ROOT, 'first', 'x')
      await here.calls.list(ROOT)
      await here.fs.unlink(ROOT, 'first', caller)
      directory = (await here.fs.mkdir(ROOT, 'd', 0o755, caller)).node
      await here.fs.mkdir(directory, 'e', 0o755, caller)
      await here.calls.store(directory, 'f', 'x')
    })

    async function pending(): Promise<() => Promise<void>> {
      let letGo = (): void => {}
      here.fault.before = (operation) =>
        operation === 'removeAll'
          ? new Promise((resolve) => {
              letGo = resolve
            })
          : undefined
      await here.fs.rmdir(directory, 'e', caller)
      return async () => {
        letGo()
        await here.fs.drain()
      }
    }

    it('leaves no time of its directory from before it', async () => {
      const carriedOut = await pending()
      // Their change makes this machine ask again, by the name: that does not wait for what is in there.
      const { node } = await there.calls.lookup(ROOT, 'd')
      await heard(`inode ${directory} -1`, () =>
        there.fs.setattr(node, { mode: 0o700 }, undefined, caller),
      )
      expect((await here.calls.lookup(ROOT, 'd')).attributes.nlink).to.equal(3)
      await carriedOut()
      expect((await here.calls.stat(directory)).nlink).to.equal(2)
    })
  })

  it('forgets names that went while nobody told', async () => {
    const { news, calls } = await earth.machine({}, 'as the test says')
    news.say({ kind: 'connected' })
    await here.calls.store(ROOT, 'f', 'x')
    await here.calls.store(ROOT, 'g', 'x')
    expect(await calls.list(ROOT)).to.deep.equal(['f', 'g'])
    news.say({ kind: 'lost' })
    await here.fs.unlink(ROOT, 'f', caller)
    news.say({ kind: 'reset' }, { kind: 'connected' })
    earth.pass(2000)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    expect(await calls.list(ROOT)).to.deep.equal(['g'])
    expect(await calls.list(ROOT)).to.deep.equal(['g'])
  })
})
