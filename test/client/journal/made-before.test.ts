import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles, RemoteNews } from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Machine, type World, world } from '../fs/local-mount.js'

const ROOT = 1
const PROCESS = { durability: 'process' } as const

/** As with a queue: one machine makes jobs, another one takes and removes them. */
describe('a new file in a journal that was made, and whose answer was lost', () => {
  let directory: string
  let earth: World
  let here: Machine
  let there: Machine
  let writeBack: WriteBack
  let shown: RemoteFiles

  beforeEach(async () => {
    directory = await temporaryDirectory('made-before')
    earth = await world()
    here = await earth.machine()
    there = await earth.machine()
    await mount()
  })
  afterEach(async () => {
    await writeBack.close()
    await earth.close()
    await removeDirectory(directory)
  })

  async function mount(): Promise<void> {
    const journal = await Journal.open(join(directory, 'journal'), {
      limitBytes: 1 << 20,
      log: () => {},
    })
    if (journal === undefined) throw new Error('somebody else has the journal')
    writeBack = new WriteBack(here.files, {
      ...{
        journals: [journal],
        keepsNew: true,
        root: ROOT,
        hostname: 'here',
        connection: 'here',
        clock: () => 0,
      },
      isAway: () => false,
      log: () => {},
    })
    shown = journaledFiles(here.files, writeBack)
  }

  /** @returns its number */
  async function made(): Promise<number> {
    here.fault.answer = (operation) =>
      operation === 'put' ? Promise.reject(new RemoteError('EIO', 'no answer')) : undefined
    const ino = await here.files.reserve(1)
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    const options = { mode: 'create', attributes, ino, ...PROCESS } as const
    await shown.put(ROOT, 'job', [Buffer.from('once')], options)
    await writeBack.sent(ino).catch(() => {})
    expect((await there.files.lookup(ROOT, 'job')).ino).to.equal(ino)
    return ino
  }
  /** The mount was killed, and the next one sends what is left. */
  async function mountedAgain(): Promise<RemoteNews[]> {
    await writeBack.close()
    delete here.fault.answer
    await mount()
    const stop = new AbortController()
    const told: RemoteNews[] = []
    const listening = (async () => {
      for await (const news of writeBack.news.over(undefined, stop.signal)) told.push(news)
    })()
    await writeBack.start()
    await writeBack.drain()
    stop.abort()
    await listening
    return told
  }
  const names = async () => {
    const all: string[] = []
    for await (const page of there.files.list(ROOT)) all.push(...page.map(({ name }) => name))
    return all
  }
  const take = () => there.files.remove(ROOT, 'job', 'unlink', { keep: false })
  const move = (name: string) =>
    there.files.rename(
      { directory: ROOT, name: 'job' },
      { directory: ROOT, name },
      { mode: 'replace', keep: false },
    )
  /** What stands there is asked for again. */
  const doubted = { kind: 'name', place: { directory: ROOT, name: 'job' } }

  it('is not made again where others have removed it', async () => {
    await made()
    await take()
    expect(await mountedAgain()).to.deep.include(doubted)
    expect(await names()).to.deep.equal([])
  })

  it('is not made again by the same mount, either', async () => {
    const ino = await made()
    await take()
    delete here.fault.answer
    await writeBack.sent(ino)
    expect(await names()).to.deep.equal([])
  })

  it('is not put beside another one that others have made there since', async () => {
    await made()
    await take()
    await there.files.make(ROOT, 'job', { type: 'file' }, {})
    expect(await mountedAgain()).to.deep.include(doubted)
    expect(await names()).to.deep.equal(['job'])
    expect(writeBack.sender.conflicts).to.equal(0)
  })

  it('is where others have moved it, and nowhere else', async () => {
    const ino = await made()
    await move('taken')
    expect(await mountedAgain()).to.deep.include(doubted)
    expect(await names()).to.deep.equal(['taken'])
    expect((await there.files.lookup(ROOT, 'taken')).ino).to.equal(ino)
  })

  it('is kept beside in its newest form if it was written to here after others had it', async () => {
    const ino = await made()
    const parts = [{ offset: 'append' as const, data: Buffer.from(', twice') }]
    await shown.write(ino, parts, PROCESS)
    await take()
    await mountedAgain()
    const [copy = '', ...more] = await names()
    expect(more).to.deep.equal([])
    expect(copy).to.match(/^job \(conflict /)
    const { ino: kept } = await there.files.lookup(ROOT, copy)
    expect(String((await there.files.read(kept, 0, 100)).data)).to.equal('once, twice')
  })

  it('takes a mode that was set here since, and that is all, if others have removed it', async () => {
    const ino = await made()
    await shown.setAttributes(ino, { mode: 0o600 }, PROCESS)
    await take()
    await mountedAgain()
    expect(await names()).to.deep.equal([])
    expect(writeBack.pending()).to.deep.equal({ bytes: 0, files: 0 })
  })

  describe('as a conflict copy', () => {
    let ino: number

    const write = (files: RemoteFiles, text: string, offset = 0) =>
      files.write(ino, [{ offset, data: Buffer.from(text) }], PROCESS)
    /** @returns its name */
    async function copied(): Promise<string> {
      const attributes = { mode: 0o644, uid: 0, gid: 0 }
      const how = { mode: 'create', attributes, ...PROCESS } as const
      ino = (await there.files.put(ROOT, 'f', [Buffer.from('old')], how)).ino
      await shown.lookup(ROOT, 'f')
      await write(there.files, 'theirs')
      here.fault.answer = (operation) =>
        operation === 'put' ? Promise.reject(new RemoteError('EIO', 'no answer')) : undefined
      await write(shown, 'ours')
      await writeBack.sent(ino).catch(() => {})
      const [, copy = ''] = await names()
      expect(copy).to.match(/^f \(conflict /)
      return copy
    }

    it('is not made again', async () => {
      await there.files.remove(ROOT, await copied(), 'unlink', { keep: false })
      await mountedAgain()
      expect(await names()).to.deep.equal(['f'])
    })

    for (const whose of ['the same mount', 'the next mount'] as const) {
      it(`is made again with what was written since: ${whose}`, async () => {
        await copied()
        await write(shown, 'more', 4)
        delete here.fault.answer
        if (whose === 'the same mount') await writeBack.drain()
        else await mountedAgain()
        const [, ...copies] = await names()
        const contents = copies.map(async (name) => {
          const copy = await there.files.lookup(ROOT, name)
          return String((await there.files.read(copy.ino, 0, 100)).data)
        })
        expect(await Promise.all(contents)).to.have.members(['ours', 'oursmore'])
      })
    }
  })
})
