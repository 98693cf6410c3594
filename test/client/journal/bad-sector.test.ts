import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { damagedSegments, filesIn } from '../../../client/journal/damaged-segments.js'
import { Journal } from '../../../client/journal/journal.js'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { requires } from '../../support/requires.js'
import { type World, world } from '../fs/local-mount.js'
import { MemoryMount } from '../fuse/memory-mount.js'

const NAMES = ['a', 'b', 'c']
/** A few pages. */
const LENGTH = 20_000
const SEGMENT = '000001.journal'

describe('a journal on a disk with a bad sector', function () {
  this.timeout(60_000)

  let disk: MemoryMount
  let earth: World
  let files: RemoteFiles
  let root: number
  let log: string[]

  const directory = () => disk.path('journal')

  async function opened(): Promise<Journal> {
    const options = { limitBytes: 64 << 20, log: (message: string) => log.push(message) }
    const journal = await Journal.open(directory(), options)
    if (journal === undefined) throw new Error('somebody else has the journal')
    return journal
  }

  function writeBackOver(journal: Journal): WriteBack {
    return new WriteBack(files, {
      ...{ journals: [journal], keepsNew: true, root, hostname: 'here', connection: 'here' },
      ...{ clock: () => 0, isAway: () => false },
      log: (message) => log.push(message),
    })
  }

  /** Where the middle of what was written to "b" stands. */
  async function spoil(): Promise<void> {
    const bytes = await readFile(join(directory(), SEGMENT))
    const at = bytes.indexOf('bbbb') + LENGTH / 2
    await disk.ask({ kind: 'spoil', from: at, to: at + 1 })
  }

  async function contents(): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for await (const page of files.list(root)) {
      for (const { ino, name } of page) {
        found.set(name, (await files.read(ino, 0, LENGTH)).data.toString())
      }
    }
    return found
  }

  /** All but "b" is on the server, and what is left says so. */
  async function isTold(): Promise<void> {
    const others = NAMES.filter((name) => name !== 'b')
    expect(await contents()).to.deep.equal(
      new Map(others.map((name) => [name, name.repeat(LENGTH)])),
    )
    expect(log).to.include('some of what was written to "b" is lost')
    expect(await readdir(directory())).to.include(`${SEGMENT}.damaged`)
    const [damaged, ...more] = await damagedSegments(disk.directory)
    if (damaged === undefined) throw new Error('no damaged segment is found')
    expect(more).to.deep.equal([])
    expect(await filesIn(damaged)).to.deep.equal(
      NAMES.map((name) => ({ name, isLost: name === 'b' })),
    )
  }

  beforeEach(async function () {
    requires(this, 'fuse')
    disk = await MemoryMount.start({ directIo: true }) // each read gets there
    log = []
    earth = await world()
    const machine = await earth.machine()
    files = machine.files
    root = (await files.root()).ino
    const first = await machine.files.reserve(NAMES.length)
    machine.fault.next = () => new RemoteError('EIO', 'away')
    const journal = await opened()
    const writeBack = writeBackOver(journal)
    const shown = journaledFiles(files, writeBack)
    for (const [at, name] of NAMES.entries()) {
      await shown.put(root, name, [Buffer.from(name.repeat(LENGTH))], {
        ...{ mode: 'create', durability: 'process', ino: first + at },
        attributes: { mode: 0o600, uid: 0, gid: 0 },
      })
    }
    await writeBack.close()
    machine.fault.next = () => undefined
    log = []
  })
  afterEach(async () => {
    await disk?.ask({ kind: 'spoil', from: 0, to: 0 })
    await disk?.stop()
    await earth?.close()
  })

  for (const found of ['before it is opened', 'when it is sent'] as const) {
    it(`sends the rest, and names the file, where that is found ${found}`, async () => {
      if (found === 'before it is opened') await spoil()
      const journal = await opened()
      if (found === 'when it is sent') await spoil()
      const writeBack = writeBackOver(journal)
      await writeBack.start()
      await writeBack.drain()
      await writeBack.close()
      await isTold()
    })
  }

  it('is left as it is by a disk that lets nothing be read', async () => {
    await disk.ask({ kind: 'spoil', from: 0, to: 1 << 20 })
    const error = await opened().catch((error: unknown) => error)
    expect(error).to.have.property('code', 'EIO')
    await disk.ask({ kind: 'spoil', from: 0, to: 0 })
    const journal = await opened()
    expect(journal.recovered).to.have.length(NAMES.length)
    await journal.close()
  })
})
