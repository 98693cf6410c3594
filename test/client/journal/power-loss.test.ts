import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { syncDirectory } from '../../../client/journal/segment.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { requires } from '../../support/requires.js'
import { type Machine, type World, world } from '../fs/local-mount.js'
import { MemoryMount } from '../fuse/memory-mount.js'

const ROOT = 1
const PROCESS = { durability: 'process' } as const
const HOW = { mode: 'create', attributes: { mode: 0o644, uid: 0, gid: 0 }, ...PROCESS } as const

/** Of a journal the disk keeps what was synced, and nothing else. */
describe('a journal after loss of power', function () {
  this.timeout(60_000)

  let disk: MemoryMount
  /** Where it is after that. */
  let plain: string
  let earth: World
  let here: Machine
  let there: Machine
  let writeBack: WriteBack
  let shown: RemoteFiles

  beforeEach(async function () {
    requires(this, 'fuse')
    disk = await MemoryMount.start({ directIo: true })
    plain = await temporaryDirectory('power-loss')
    earth = await world()
    here = await earth.machine()
    there = await earth.machine()
    await mount(here, 'm0', disk.path('journal'))
  })
  afterEach(async () => {
    await writeBack?.close()
    await disk?.stop()
    await earth?.close()
    await removeDirectory(plain)
  })

  /** @param connection its name in `world` */
  async function mount({ files }: Machine, connection: string, directory: string): Promise<void> {
    const log = () => {}
    const journal = await Journal.open(directory, { limitBytes: 1 << 20, log })
    if (journal === undefined) throw new Error('somebody else has the journal')
    writeBack = new WriteBack(files, {
      ...{ journals: [journal], keepsNew: true, root: ROOT, hostname: 'here', clock: () => 0 },
      connection,
      isAway: () => false,
      log,
    })
    shown = journaledFiles(files, writeBack)
    await writeBack.start()
  }

  /** Puts what is left of a journal on the disk somewhere else. */
  async function left(path: readonly string[], where: string): Promise<string> {
    const files = await disk.ask<Record<string, string>>({ kind: 'survivors', path })
    await mkdir(where, { recursive: true })
    for (const [file, bytes] of Object.entries(files)) {
      await writeFile(join(where, file), Buffer.from(bytes, 'base64'), { flush: true })
    }
    await syncDirectory(where)
    return where
  }

  /** The next mount sends what is left. */
  async function powerIsLost(path = ['journal'], connection = 'm2'): Promise<void> {
    const directory = await left(path, join(plain, 'journal'))
    await writeBack.close()
    await mount(await earth.machine(), connection, directory)
    await writeBack.drain()
  }

  /** A file on the server that is known here. */
  async function known(name: string): Promise<number> {
    const { ino } = await there.files.put(ROOT, name, [Buffer.from('old')], HOW)
    await shown.lookup(ROOT, name)
    return ino
  }
  /** A new file in the journal. */
  async function born(directory: number, name: string, content: string): Promise<number> {
    const ino = await here.files.reserve(1)
    await shown.put(directory, name, [Buffer.from(content)], { ...HOW, ino })
    return ino
  }
  /** One that could not be sent. */
  async function unsent(directory: number, name: string, content = 'new'): Promise<void> {
    cannot('put')
    await writeBack.sent(await born(directory, name, content)).catch(() => {})
  }
  const write = (ino: number, text: string, offset: number | 'append' = 0) =>
    shown.write(ino, [{ offset, data: Buffer.from(text) }], PROCESS)
  const remove = (name: string, directory = ROOT) =>
    shown.remove(directory, name, 'unlink', { keep: false })
  const cannot = (...operations: string[]) => {
    here.fault.next = (operation) =>
      operations.includes(operation) ? new RemoteError('EIO', 'away') : undefined
  }

  async function names(directory = ROOT): Promise<string[]> {
    const all: string[] = []
    for await (const page of there.files.list(directory)) all.push(...page.map(({ name }) => name))
    return all
  }
  async function content(ino: number): Promise<string> {
    return String((await there.files.read(ino, 0, 100)).data)
  }

  describe('does not bring back what was sent, and removed here since', () => {
    const changes = {
      written: async () => void (await write(await known('f'), 'new')),
      cut: async () => void (await shown.setAttributes(await known('f'), { size: 1 }, PROCESS)),
      'new, and written to': async () => {
        const ino = await born(ROOT, 'f', 'new')
        await write(ino, 'more', 'append')
        await write(ino, 'and more', 'append')
      },
    }
    for (const [what, change] of Object.entries(changes)) {
      it(`${what}`, async () => {
        await change()
        await writeBack.drain()
        await remove('f')
        await powerIsLost()
        expect(await names()).to.deep.equal([])
        expect(writeBack.sender.conflicts).to.equal(0)
      })
    }
  })

  it('has no conflict with what the next mount sent, and lost the power, too', async () => {
    const ino = await known('f')
    cannot('write')
    await write(ino, '1')
    await write(ino, '2', 1)
    const directory = await left(['journal'], disk.path('again', 'journal'))
    await writeBack.close()
    await mount(await earth.machine(), 'm2', directory)
    await writeBack.drain()
    expect(await content(ino)).to.equal('12d')
    await powerIsLost(['again', 'journal'], 'm3')
    expect([await names(), await content(ino)]).to.deep.equal([['f'], '12d'])
    expect(writeBack.sender.conflicts).to.equal(0)
  })

  it('has one conflict copy of what somebody else had changed, not another one', async () => {
    const ino = await known('f')
    await there.files.write(ino, [{ offset: 0, data: Buffer.from('theirs') }], PROCESS)
    await write(ino, 'ours')
    await writeBack.drain()
    expect(await names()).to.have.length(2)
    await powerIsLost()
    expect(await names()).to.have.length(2)
  })

  describe('does not bring back what was never sent, and removed here', () => {
    const make = (what: 'directory' | 'file') => shown.make(ROOT, 'f', { type: what }, {})
    const after = {
      'before a directory of its name': () => make('directory'),
      'before a file of its name that is not in the journal': () => make('file'),
      'before another one was given its name': async () => {
        await there.files.make(ROOT, 'g', { type: 'file' }, {})
        const to = { directory: ROOT, name: 'f' }
        await shown.rename({ directory: ROOT, name: 'g' }, to, { mode: 'replace', keep: false })
      },
      'before its directory was synced': () => shown.sync(ROOT),
    }
    for (const [what, change] of Object.entries(after)) {
      it(`${what}`, async () => {
        await unsent(ROOT, 'f')
        await remove('f')
        await change()
        const before = await names()
        await powerIsLost()
        expect(await names()).to.deep.equal(before)
      })
    }

    it('before its directory', async () => {
      const { ino } = await shown.make(ROOT, 'd', { type: 'directory' }, {})
      await unsent(ino, 'f')
      await remove('f', ino)
      await shown.remove(ROOT, 'd', 'rmdir', { keep: false })
      await powerIsLost()
      expect(await names()).to.deep.equal([])
    })

    it('before its directory was synced, with all else that a segment had', async () => {
      await unsent(ROOT, 'f', 'x'.repeat(100_000))
      await remove('f')
      await shown.sync(ROOT)
      await powerIsLost()
      expect(await names()).to.deep.equal([])
    })

    it('while it is open', async () => {
      await unsent(ROOT, 'f')
      await shown.remove(ROOT, 'f', 'unlink', { keep: true })
      await make('directory')
      await powerIsLost()
      expect(await names()).to.deep.equal(['f'])
    })

    it('with what was to be changed of it', async () => {
      const ino = await known('f')
      cannot('write')
      await write(ino, 'new')
      await writeBack.sent(ino).catch(() => {})
      await remove('f')
      await powerIsLost()
      expect(await names()).to.deep.equal([])
    })
  })
})
