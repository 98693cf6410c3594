import { expect } from 'chai'
import { timespec } from '../../../../client/fuse/integers.js'
import { RemoteError } from '../../../../client/remote-error.js'
import { caller, O_APPEND, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY, ROOT } from '../kernel-calls.js'
import { type Machine, type World, world } from '../local-mount.js'

/** The program was told EIO, and nobody knows whether the server did it. What was written is kept and sent later. */
describe('what the server did without an answer in time', () => {
  let earth: World
  let here: Machine
  let there: Machine
  const logged: string[] = []
  beforeEach(async () => {
    earth = await world()
    logged.length = 0
    here = await earth.machine({ log: (text) => logged.push(text) }, 'told, with locks')
    there = await earth.machine()
  })
  afterEach(() => earth.close())

  const noAnswer = () => new RemoteError('EIO', 'gave up')
  const overtaken = () => logged.filter((text) => text.includes('another machine'))
  const textThere = async (name: string) => there.calls.text((await there.calls.walk(name)).node)
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: RemoteError) => error.code,
    )

  /** Carries it out, or never hears of it, and does not answer; then the network is well again. */
  async function unanswered(
    what: 'done' | 'not done',
    operation: string,
    work: () => Promise<unknown>,
  ): Promise<void> {
    if (what === 'not done')
      here.fault.next = (asked) => (asked === operation ? noAnswer() : undefined)
    else
      here.fault.answer = (asked) => (asked === operation ? Promise.reject(noAnswer()) : undefined)
    expect(await codeOf(work())).to.equal('EIO')
    delete here.fault.next
    delete here.fault.answer
  }

  for (const what of ['done', 'not done'] as const) {
    it(`is appended once: ${what}`, async () => {
      const { node } = await here.calls.store(ROOT, 'log', 'one ')
      const { handle } = await here.fs.open(node, O_RDWR | O_APPEND, caller)
      await here.fs.write(node, handle, 4, Buffer.from('two '), caller)
      await unanswered(what, 'write', async () => here.fs.flush(node, handle, caller))
      expect(String(await here.fs.read(node, handle, 0, 100, caller))).to.equal('one two ')
      await here.fs.flush(node, handle, caller)
      await here.fs.write(node, handle, 8, Buffer.from('three'), caller)
      await here.fs.flush(node, handle, caller)
      await here.fs.release(node, handle, caller)
      expect(await textThere('log')).to.equal('one two three')
      expect(await here.calls.text(node)).to.equal('one two three')
    })

    it(`is written once, and is not another machine's: ${what}`, async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'first')
      const before = (await there.files.stat((await there.calls.walk('f')).attributes.ino)).version
      const { handle } = await here.fs.open(node, O_WRONLY | O_TRUNC, caller)
      await here.fs.write(node, handle, 0, Buffer.from('second'), caller)
      await unanswered(what, 'write', async () => here.fs.flush(node, handle, caller))
      await here.fs.flush(node, handle, caller)
      await here.fs.release(node, handle, caller)
      expect(await textThere('f')).to.equal('second')
      const { ino } = (await there.calls.walk('f')).attributes
      expect((await there.files.stat(ino)).version).to.equal(before + 1)
      expect(overtaken()).to.deep.equal([])
    })

    it(`is cut once, also when it is cut again before that is known: ${what}`, async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'first')
      const { handle } = await here.fs.open(node, O_RDWR | O_TRUNC, caller)
      await unanswered(what, 'setAttributes', async () => here.fs.flush(node, handle, caller))
      const again = await here.fs.open(node, O_RDWR | O_TRUNC, caller)
      await here.fs.write(node, again.handle, 0, Buffer.from('x'), caller)
      for (const open of [handle, again.handle]) {
        await here.fs.flush(node, open, caller)
        await here.fs.release(node, open, caller)
      }
      expect(await textThere('f')).to.equal('x')
      expect(overtaken()).to.deep.equal([])
    })

    for (const flags of [O_TRUNC, O_EXCL | O_TRUNC]) {
      it(`is one new file, with all that was written: ${what}, ${flags}`, async () => {
        expect((await here.calls.lookup(ROOT, 'new')).node).to.equal(0)
        // With the second one the names are leased.
        for (const name of ['earlier', 'earlier still']) {
          await here.calls.store(ROOT, name, '', O_WRONLY | flags)
        }
        const { node, handle } = await here.calls.create(ROOT, 'new', O_WRONLY | flags)
        await here.fs.write(node, handle, 0, Buffer.from('long content'), caller)
        await unanswered(what, 'put', async () => here.fs.flush(node, handle, caller))
        await here.fs.write(node, handle, 0, Buffer.from('LONG'), caller)
        await here.fs.flush(node, handle, caller)
        await here.fs.release(node, handle, caller)
        expect(await textThere('new')).to.equal('LONG content')
        expect(overtaken()).to.deep.equal([])
      })
    }
  }

  it('is not taken for what another machine wrote since, when the put is answered late', async () => {
    const { put, write, stat } = there.files
    const late = await earth.machine({}, 'not told', {
      async put(...asked: Parameters<typeof put>) {
        const { ino } = await put(...asked)
        await write(ino, [{ offset: 0, data: Buffer.from('theirs') }])
        // what a repetition finds
        return stat(ino)
      },
    })
    const { node } = await late.calls.store(ROOT, 'new', 'myself')
    expect(late.invalidated).to.include(`inode ${node} 0`)
    expect(await late.calls.text(node)).to.equal('theirs')
  })

  for (const [operation, flags] of [
    ['write', 0],
    ['setAttributes', O_TRUNC],
  ] as const) {
    it(`is synced when it turns out that it was done: ${operation}`, async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'first')
      const { handle } = await here.fs.open(node, O_RDWR, caller)
      await here.fs.write(node, handle, 0, Buffer.from('F'), caller)
      await here.fs.fsync(node, handle, false, caller)
      const again = await here.fs.open(node, O_RDWR | flags, caller)
      if (operation === 'write') await here.fs.write(node, handle, 0, Buffer.from('f'), caller)
      await unanswered('done', operation, async () =>
        here.fs.fsync(node, again.handle, false, caller),
      )
      here.requests.clear()
      await here.fs.fsync(node, again.handle, false, caller)
      expect(here.requests.count('made')).to.equal(1)
      expect(here.requests.count('sync')).to.equal(1)
    })
  }

  for (const what of ['done', 'not done'] as const) {
    for (const bytes of ['', 'with bytes']) {
      const operation = bytes === '' ? 'setAttributes' : 'write'

      it(`leaves a mode that another machine has set since: ${what} ${bytes}`, async () => {
        const { node } = await here.calls.store(ROOT, 'f', 'content')
        const { handle } = await here.fs.open(node, O_RDWR, caller)
        await here.fs.write(node, handle, 0, Buffer.from(bytes), caller)
        await here.fs.setattr(node, { mode: 0o644 }, handle, caller)
        await unanswered(what, operation, async () => here.fs.flush(node, handle, caller))
        await there.fs.setattr(node, { mode: 0o600 }, undefined, caller)
        await here.fs.flush(node, handle, caller)
        expect((await there.calls.walk('f')).attributes.mode).to.equal(0o100600)
        expect((await here.calls.stat(node)).mode).to.equal(0o100600)
        expect(overtaken()).to.have.length(what === 'done' ? 0 : 1)
      })

      it(`leaves a mode that another machine has set since, and set back: ${what} ${bytes}`, async () => {
        const { node, attributes } = await here.calls.store(ROOT, 'f', 'content')
        const { handle } = await here.fs.open(node, O_RDWR, caller)
        await here.fs.write(node, handle, 0, Buffer.from(bytes), caller)
        await here.fs.setattr(node, { mode: 0o666 }, handle, caller)
        await unanswered(what, operation, async () => here.fs.flush(node, handle, caller))
        for (const mode of [0o600, attributes.mode & 0o7777]) {
          await there.fs.setattr(node, { mode }, undefined, caller)
        }
        await here.fs.flush(node, handle, caller)
        expect((await there.calls.walk('f')).attributes.mode).to.equal(attributes.mode)
        expect((await here.calls.stat(node)).mode).to.equal(attributes.mode)
        expect(overtaken()).to.have.length(what === 'done' ? 0 : 1)
      })

      it(`is a mode all the same where nobody has set another: ${what} ${bytes}`, async () => {
        const { node } = await here.calls.store(ROOT, 'f', 'content')
        const { handle } = await here.fs.open(node, O_RDWR, caller)
        await here.fs.write(node, handle, 0, Buffer.from(bytes), caller)
        await here.fs.setattr(node, { mode: 0o644, mtime: 7n }, handle, caller)
        await unanswered(what, operation, async () => here.fs.flush(node, handle, caller))
        expect((await here.calls.stat(node)).mode).to.equal(0o100644)
        await here.fs.flush(node, handle, caller)
        const { attributes } = await there.calls.walk('f')
        expect(attributes).to.deep.include({ mode: 0o100644, mtime: timespec('7') })
        expect(overtaken()).to.deep.equal([])
      })
    }
  }

  for (const [operation, bytes] of [
    ['setAttributes', ''],
    ['write', 'with bytes'],
  ] as const) {
    it(`leaves a mode that another machine sets while it comes: ${operation}`, async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'content')
      const { handle } = await here.fs.open(node, O_RDWR, caller)
      await here.fs.write(node, handle, 0, Buffer.from(bytes), caller)
      await here.fs.setattr(node, { mode: 0o666 }, handle, caller)
      await unanswered('not done', operation, async () => here.fs.flush(node, handle, caller))
      here.fault.before = async (asked) => {
        if (asked === operation) await there.fs.setattr(node, { mode: 0o600 }, undefined, caller)
      }
      await here.fs.flush(node, handle, caller)
      expect((await there.calls.walk('f')).attributes.mode).to.equal(0o100600)
      expect(overtaken()).to.have.length(1)
    })
  }

  it('leaves a mode to who set one meanwhile, and the owner that was set here since to us', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'content')
    const { handle } = await here.fs.open(node, O_RDWR, caller)
    await here.fs.setattr(node, { mode: 0o666 }, handle, caller)
    await unanswered('not done', 'setAttributes', async () => here.fs.flush(node, handle, caller))
    await there.fs.setattr(node, { mode: 0o600 }, undefined, caller)
    await here.fs.setattr(node, { gid: 7 }, handle, caller)
    await here.fs.flush(node, handle, caller)
    expect((await there.calls.walk('f')).attributes).to.include({ mode: 0o100600, gid: 7 })
    expect(overtaken()).to.have.length(1)
  })

  it('opens no file that another machine has made under the name of ours', async () => {
    expect((await here.calls.lookup(ROOT, 'new')).node).to.equal(0)
    const { node, handle } = await here.calls.create(ROOT, 'new', O_WRONLY)
    await here.fs.write(node, handle, 0, Buffer.from('ours'), caller)
    await here.fs.setattr(node, { mode: 0o606 }, handle, caller)
    await unanswered('not done', 'put', async () => here.fs.flush(node, handle, caller))
    await there.calls.store(ROOT, 'new', 'theirs')
    const { ino, mode } = await there.files.lookup(ROOT, 'new')
    await here.fs.flush(node, handle, caller)
    expect((await there.files.stat(ino)).mode).to.equal(mode)
  })

  it('sets no time again over one that another machine has set since', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'content')
    const { handle } = await here.fs.open(node, O_RDWR, caller)
    await here.fs.setattr(node, { mtime: 7n }, handle, caller)
    await unanswered('done', 'setAttributes', async () => here.fs.flush(node, handle, caller))
    await there.fs.setattr(node, { mtime: 8n }, undefined, caller)
    await here.fs.flush(node, handle, caller)
    expect((await there.calls.walk('f')).attributes.mtime).to.deep.equal(timespec('8'))
  })

  it('gives no time to what another machine has written since, and all the same the mode', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'content')
    const { handle } = await here.fs.open(node, O_RDWR, caller)
    await here.fs.setattr(node, { mode: 0o600, mtime: 7n, atime: 8n }, handle, caller)
    await unanswered('not done', 'setAttributes', async () => here.fs.flush(node, handle, caller))
    await there.calls.store(ROOT, 'f', 'theirs!')
    const { ino, mtime, atime } = await there.files.lookup(ROOT, 'f')
    await here.fs.flush(node, handle, caller)
    expect(await there.files.stat(ino)).to.include({ mtime, atime, mode: 0o600 })
    expect((await here.calls.stat(node)).mtime).to.deep.equal(timespec(mtime))
  })

  describe('is a new file that others have taken from its place since', () => {
    const move = (to: string) => there.fs.rename(ROOT, 'new', ROOT, to, 0, caller)
    const names = async () => {
      const all: string[] = []
      for await (const page of there.files.list(ROOT)) all.push(...page.map(({ name }) => name))
      return all.sort()
    }
    /** It was made, and not answered. */
    async function made(): Promise<{ node: number; handle: number }> {
      expect((await here.calls.lookup(ROOT, 'new')).node).to.equal(0)
      const { node, handle } = await here.calls.create(ROOT, 'new', O_WRONLY | O_TRUNC)
      await here.fs.write(node, handle, 0, Buffer.from('ours'), caller)
      await unanswered('done', 'put', async () => here.fs.flush(node, handle, caller))
      await there.calls.lookup(ROOT, 'new')
      return { node, handle }
    }
    const closed = async ({ node, handle }: { node: number; handle: number }) => {
      await here.fs.flush(node, handle, caller)
      await here.fs.release(node, handle, caller)
    }

    it('and has all that was written there', async () => {
      const file = await made()
      await here.fs.write(file.node, file.handle, 0, Buffer.from('OU'), caller)
      await move('moved')
      await closed(file)
      expect(await textThere('moved')).to.equal('OUrs')
      expect(await names()).to.deep.equal(['moved'])
      expect((await here.calls.lookup(ROOT, 'new')).node).to.equal(0)
    })

    it('and not what stands there now', async () => {
      const file = await made()
      await move('moved')
      await there.calls.store(ROOT, 'new', 'theirs')
      await closed(file)
      expect(await textThere('moved')).to.equal('ours')
      expect(await textThere('new')).to.equal('theirs')
      const { ino } = await there.files.lookup(ROOT, 'new')
      expect((await here.calls.lookup(ROOT, 'new')).node).to.equal(ino)
    })

    it('and is not made again if they have removed it', async () => {
      const file = await made()
      await there.fs.unlink(ROOT, 'new', caller)
      expect(await codeOf(closed(file))).to.equal('ESTALE')
      await here.fs.release(file.node, file.handle, caller)
      expect(await names()).to.deep.equal([])
    })

    it('and is moved by this machine as any other', async () => {
      const file = await made()
      await here.fs.rename(ROOT, 'new', ROOT, 'moved', 0, caller)
      await here.fs.write(file.node, file.handle, 4, Buffer.from('!'), caller)
      await closed(file)
      expect(await textThere('moved')).to.equal('ours!')
      expect(await names()).to.deep.equal(['moved'])
    })
  })

  it('is a new file that another machine has written to since, and it is said that this is overwritten', async () => {
    expect((await here.calls.lookup(ROOT, 'new')).node).to.equal(0)
    const { node, handle } = await here.calls.create(ROOT, 'new', O_WRONLY | O_TRUNC)
    await here.fs.write(node, handle, 0, Buffer.from('ours'), caller)
    await unanswered('done', 'put', async () => here.fs.flush(node, handle, caller))
    await there.calls.store(ROOT, 'new', 'theirs')
    await here.fs.flush(node, handle, caller)
    await here.fs.release(node, handle, caller)
    const { calls } = await earth.machine()
    expect(await calls.text((await calls.walk('new')).node)).to.equal('ours')
    expect(overtaken()).to.have.length(1)
  })
})
