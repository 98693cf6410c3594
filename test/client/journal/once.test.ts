import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { requires } from '../../support/requires.js'
import { type SmallDisk, smallDisk } from '../../support/small-disk.js'
import { type Machine, type World, world } from '../fs/local-mount.js'

const PROCESS = { durability: 'process' } as const

describe('what is appended behind a journal', () => {
  let disk: SmallDisk
  let earth: World
  let here: Machine
  let there: Machine
  let writeBack: WriteBack
  let shown: RemoteFiles
  let ino: number

  before(async function () {
    requires(this, 'root')
    disk = await smallDisk('once', 4 << 20)
  })
  after(() => disk?.remove())
  beforeEach(async () => {
    await disk.clear()
    earth = await world()
    here = await earth.machine()
    there = await earth.machine()
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    ino = (await here.files.put(1, 'f', [], { mode: 'create', attributes, ...PROCESS })).ino
    await mount(here, 'm0')
  })
  afterEach(async () => {
    await writeBack.close()
    await earth.close()
  })

  /** @param connection its name in `world` */
  async function mount({ files }: Machine, connection: string): Promise<void> {
    const log = () => {}
    const limits = { limitBytes: 1 << 20, log }
    const journal = await Journal.open(join(disk.directory, 'journal'), limits)
    if (journal === undefined) throw new Error('somebody else has the journal')
    writeBack = new WriteBack(files, {
      ...{ journals: [journal], keepsNew: true, root: 1, hostname: 'here', clock: () => 0 },
      connection,
      isAway: () => false,
      log,
    })
    shown = journaledFiles(files, writeBack)
    await shown.stat(ino)
    await writeBack.start()
  }

  const line = (text: string) => [{ offset: 'append' as const, data: Buffer.from(text) }]
  const append = (text: string) => shown.write(ino, line(text), PROCESS)
  const appendThere = (text: string) => there.files.write(ino, line(text), PROCESS)
  const content = async () => String((await there.files.read(ino, 0, 100)).data)
  const noAnswer = () => new RemoteError('EIO', 'no answer')

  it('is there beside the same bytes of another machine', async () => {
    await appendThere('x\n')
    await append('x\n')
    await writeBack.sent(ino)
    expect(await content()).to.equal('x\nx\n')
  })

  for (const what of ['done', 'not done'] as const) {
    it(`is there once if its answer was lost, beside the same bytes of another machine: ${what}`, async () => {
      if (what === 'done') here.fault.answer = () => Promise.reject(noAnswer())
      else here.fault.next = noAnswer
      await append('x\n')
      await writeBack.sent(ino).catch(() => {})
      await appendThere('x\n')
      delete here.fault.answer
      delete here.fault.next
      await writeBack.sent(ino)
      expect(await content()).to.equal('x\nx\n')
    })
  }

  describe('by a mount that is killed', () => {
    /** Tries to send, and has no answer. */
    async function tries(machine: Machine, what: 'done' | 'not done'): Promise<void> {
      if (what === 'done') machine.fault.answer = () => Promise.reject(noAnswer())
      else machine.fault.next = noAnswer
      await writeBack.sent(ino).catch(() => {})
      await writeBack.close()
      delete machine.fault.answer
      delete machine.fault.next
    }

    for (const what of ['done', 'not done'] as const) {
      it(`is there once, beside the same bytes of another machine: ${what}`, async () => {
        here.fault.next = noAnswer
        await append('x\n')
        delete here.fault.next
        await tries(here, what)
        await appendThere('x\n')
        await mount(await earth.machine(), 'm2')
        await writeBack.sent(ino)
        expect(await content()).to.equal('x\nx\n')
        expect(writeBack.sender.conflicts).to.equal(0)
      })

      it(`is there once also when the next mount is killed, too: ${what}`, async () => {
        here.fault.next = noAnswer
        await append('x\n')
        await tries(here, 'not done')
        const second = await earth.machine()
        second.fault.next = (operation) => (operation === 'stat' ? undefined : noAnswer())
        await mount(second, 'm2')
        await tries(second, what)
        await appendThere('x\n')
        await mount(await earth.machine(), 'm3')
        await writeBack.sent(ino)
        expect(await content()).to.equal('x\nx\n')
      })
    }

    it('is not taken for one that a mount before made and was killed too soon to keep', async () => {
      here.fault.next = noAnswer
      await append('x\n')
      delete here.fault.next
      await tries(here, 'done')
      const second = await earth.machine()
      // The first number that the next mount finds free.
      await second.files.write(ino, line('lost\n'), { change: 'jjournal-2', ...PROCESS })
      second.fault.next = (operation) => (operation === 'stat' ? undefined : noAnswer())
      await mount(second, 'm2')
      await tries(second, 'not done')
      const third = await earth.machine()
      third.fault.next = (operation) => (operation === 'stat' ? undefined : noAnswer())
      await mount(third, 'm3')
      await append('y\n')
      await tries(third, 'not done')
      await mount(await earth.machine(), 'm4')
      await writeBack.sent(ino)
      expect(await content()).to.equal('x\nlost\ny\n')
    })

    it('is no conflict where others have written since to what it had made', async () => {
      here.fault.answer = () => Promise.reject(noAnswer())
      await shown.write(ino, [{ offset: 0, data: Buffer.from('y\n') }], PROCESS)
      await tries(here, 'done')
      await appendThere('x\n')
      await mount(await earth.machine(), 'm2')
      await writeBack.sent(ino)
      expect(await content()).to.equal('y\nx\n')
      expect(writeBack.sender.conflicts).to.equal(0)
    })
  })

  it('is no conflict if it was left by whom nobody knows, and this mount had no answer', async () => {
    await writeBack.close()
    const limits = { limitBytes: 1 << 20, log: () => {} }
    const journal = await Journal.open(join(disk.directory, 'journal'), limits)
    const part = { offset: 0, length: 2 }
    const change = { kind: 'write' as const, id: 1, ino, parts: [part], changes: { mtime: '1' } }
    const before = await here.files.stat(ino)
    await journal?.append({ ...change, before }, [Buffer.from('y\n')]).stored
    await journal?.close()
    here.fault.answer = (operation) =>
      operation === 'write' ? Promise.reject(noAnswer()) : undefined
    await mount(here, 'm0')
    await writeBack.sent(ino).catch(() => {})
    delete here.fault.answer
    await appendThere('x\n')
    await writeBack.sent(ino)
    expect(await content()).to.equal('y\nx\n')
    expect(writeBack.sender.conflicts).to.equal(0)
  })

  it('is no conflict for what follows if its answer was lost', async () => {
    here.fault.answer = () => Promise.reject(noAnswer())
    await append('x\n')
    await shown.write(ino, [{ offset: 0, data: Buffer.from('y') }], PROCESS)
    await writeBack.sent(ino).catch(() => {})
    delete here.fault.answer
    await writeBack.sent(ino)
    expect(await content()).to.equal('y\n')
    expect(writeBack.sender.conflicts).to.equal(0)
  })

  describe('where the journal has no room for it', () => {
    /** Its try is under way. */
    async function appending(text: string): Promise<{
      ended: Promise<unknown>
      fail(error: RemoteError): void
    }> {
      await disk.fill()
      let fail: (error: RemoteError) => void = () => {}
      const begins = new Promise<void>((resolve) => {
        here.fault.before = (operation) => {
          if (operation !== 'write') return undefined
          resolve()
          return new Promise((_, reject) => {
            fail = reject
          })
        }
      })
      const ended = append(text).then(
        () => 'done',
        (error: RemoteError) => error.code,
      )
      await begins
      delete here.fault.before
      return { ended, fail: (error) => fail(error) }
    }
    const setMode = () => shown.setAttributes(ino, { mode: 0o600 }, PROCESS)

    it('is taken back from what waits with it when its program is told that it failed', async () => {
      const { ended, fail } = await appending('x\n')
      const other = setMode().catch((error: RemoteError) => error.code)
      while (writeBack.unsent.count < 2) await new Promise(setImmediate)
      here.fault.next = noAnswer
      fail(noAnswer())
      expect([await ended, await other]).to.deep.equal(['EIO', 'EIO'])
      expect(writeBack.pending().files).to.equal(0)
      delete here.fault.next
      await append('x\n')
      await writeBack.sent(ino)
      expect(await content()).to.equal('x\n')
    })

    it('is taken back from before what is in the journal when it is refused', async () => {
      const { ended, fail } = await appending('x\n')
      await disk.clear()
      await setMode()
      fail(new RemoteError('EDQUOT', 'no room'))
      expect(await ended).to.equal('EDQUOT')
      await writeBack.sent(ino)
      expect(await content()).to.equal('')
      expect((await there.files.stat(ino)).mode).to.equal(0o600)
    })

    it('fails where it is to a new file that has lost its name and is only here', async () => {
      const attributes = { mode: 0o644, uid: 0, gid: 0 }
      const born = await here.files.reserve(1)
      const how = { mode: 'create', attributes, ino: born, ...PROCESS } as const
      here.fault.next = (operation) => (operation === 'put' ? noAnswer() : undefined)
      await shown.put(1, 'new', [], how)
      await writeBack.sent(born).catch(() => {})
      await shown.remove(1, 'new', 'unlink', { keep: true })
      await disk.fill()
      const ended = shown.write(born, line('x'.repeat(64 << 10)), PROCESS).then(
        () => 'done',
        (error: RemoteError) => error.code,
      )
      expect(await ended).to.equal('ENOSPC')
      expect((await shown.stat(born)).size).to.equal(0)
    })

    it('is waited for without an answer if what followed is in the journal', async () => {
      const { ended, fail } = await appending('x\n')
      await disk.clear()
      await setMode()
      fail(noAnswer())
      await writeBack.sent(ino).catch(() => {})
      await writeBack.sent(ino)
      expect(await ended).to.equal('done')
      expect(await content()).to.equal('x\n')
    })
  })
})
