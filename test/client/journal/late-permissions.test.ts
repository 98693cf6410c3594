import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Machine, type World, world } from '../fs/local-mount.js'

const PROCESS = { durability: 'process' } as const

describe('mode and owner that wait in a journal', () => {
  let directory: string
  let earth: World
  let here: Machine
  let there: Machine
  let journal: Journal
  let writeBack: WriteBack
  let shown: RemoteFiles
  let ino: number
  const logged: string[] = []

  beforeEach(async () => {
    logged.length = 0
    directory = await temporaryDirectory('late')
    earth = await world()
    here = await earth.machine()
    there = await earth.machine()
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    const content = [Buffer.from('content')]
    const how = { mode: 'create', durability: 'process', attributes } as const
    ino = (await here.files.put(1, 'f', content, how)).ino
    await mount()
    await shown.stat(ino)
  })
  afterEach(async () => {
    await writeBack.close()
    await earth.close()
    await removeDirectory(directory)
  })

  async function mount(): Promise<void> {
    const log = (message: string) => logged.push(message)
    const opened = await Journal.open(join(directory, 'journal'), { limitBytes: 1 << 20, log })
    if (opened === undefined) throw new Error('somebody else has the journal')
    journal = opened
    writeBack = new WriteBack(here.files, {
      ...{
        journals: [journal],
        keepsNew: true,
        root: 1,
        hostname: 'here',
        connection: 'here',
        clock: () => 0,
      },
      isAway: () => false,
      log,
    })
    shown = journaledFiles(here.files, writeBack)
    await writeBack.start()
  }

  /** While the server is away, and the first try to send has failed. */
  async function away(work: () => Promise<unknown>): Promise<void> {
    here.fault.next = () => new RemoteError('EIO', 'away')
    await work()
    await writeBack.sent(ino).catch(() => {})
  }
  async function back(): Promise<void> {
    delete here.fault.next
    await writeBack.sent(ino)
  }
  const set = (mode: number) => shown.setAttributes(ino, { mode }, PROCESS)
  const setThere = (mode: number) => there.files.setAttributes(ino, { mode })
  const now = async () => (await there.files.stat(ino)).mode
  const givenUp = () => logged.filter((text) => text.includes('another machine'))

  it('stay as another machine has set them since', async () => {
    await away(() => set(0o666))
    await setThere(0o600)
    await back()
    expect(await now()).to.equal(0o600)
    expect(givenUp()).to.have.length(1)
  })

  it('stay as they were where another machine has set them back', async () => {
    await away(() => set(0o666))
    await setThere(0o600)
    await setThere(0o644)
    await back()
    expect(await now()).to.equal(0o644)
  })

  it('are set with bytes only where nobody else has', async () => {
    const parts = [{ offset: 0, data: Buffer.from('x') }]
    const attributes = { mode: 0o666 }
    await away(() => shown.write(ino, parts, { ...PROCESS, attributes }))
    await setThere(0o600)
    await back()
    expect(await now()).to.equal(0o600)
    expect(String((await there.files.read(ino, 0, 10)).data)).to.equal('xontent')
  })

  it('are set, each after the other, where nobody else has', async () => {
    await away(async () => {
      await set(0o4755)
      await shown.write(ino, [{ offset: 0, data: Buffer.from('x') }], PROCESS)
      await set(0o640)
      await shown.setAttributes(ino, { gid: 7 }, PROCESS)
    })
    await back()
    expect(await there.files.stat(ino)).to.include({ mode: 0o640, gid: 7 })
    expect(givenUp()).to.deep.equal([])
  })

  it('are not set any more once one of them was given up', async () => {
    await away(async () => {
      await set(0o666)
      await shown.setAttributes(ino, { mtime: '7' }, PROCESS)
      await set(0o606)
    })
    await setThere(0o600)
    await back()
    expect(await there.files.stat(ino)).to.include({ mode: 0o600, mtime: '7' })
  })

  it('are not set again over what came after them, where their answer was lost', async () => {
    here.fault.answer = () => Promise.reject(new RemoteError('EIO', 'no answer'))
    await set(0o666)
    await writeBack.sent(ino).catch(() => {})
    delete here.fault.answer
    await setThere(0o600)
    await back()
    expect(await now()).to.equal(0o600)
  })

  it('stay as another machine has set them also for the next mount', async () => {
    await away(() => set(0o666))
    await writeBack.close()
    await setThere(0o600)
    delete here.fault.next
    await mount()
    await writeBack.sent(ino)
    expect(await now()).to.equal(0o600)
  })

  it('leave the times to who has written since', async () => {
    await away(() => shown.setAttributes(ino, { mode: 0o600, mtime: '7' }, PROCESS))
    await there.files.write(ino, [{ offset: 0, data: Buffer.from('x') }])
    const { mtime } = await there.files.stat(ino)
    await back()
    expect(await there.files.stat(ino)).to.include({ mode: 0o600, mtime })
    expect(givenUp()).to.have.length(1)
    expect(givenUp()[0]).to.include('(times)')
    expect(writeBack.sender.yielded).to.equal(1)
  })

  it('tell nothing of the content that what follows is for: it goes beside what another machine has written', async () => {
    await away(async () => {
      await set(0o600)
      await shown.write(ino, [{ offset: 0, data: Buffer.from('ours') }], PROCESS)
    })
    await there.files.write(ino, [{ offset: 0, data: Buffer.from('theirs!') }])
    await back()
    expect(String((await there.files.read(ino, 0, 10)).data)).to.equal('theirs!')
    expect(writeBack.sender.conflicts).to.equal(1)
  })

  it('are set at once over what another machine set before, which was not heard of', async () => {
    await setThere(0o600)
    await set(0o640)
    await writeBack.sent(ino)
    expect(await now()).to.equal(0o640)
  })
})
