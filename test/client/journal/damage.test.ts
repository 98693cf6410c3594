import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { world } from '../fs/local-mount.js'

/** One byte in so many is where a journal is damaged; 1 for all of them. */
const STRIDE = Number(process.env.COFFER_TEST_JOURNAL_STRIDE ?? 31)
/** Sending takes longer than opening. */
const SENT_STRIDE = STRIDE * 7
const PROCESS = { durability: 'process' } as const

/** What a server holds before the journal is written, and in the same way before each copy of it is sent. */
async function tree() {
  const earth = await world()
  const { files, fault } = await earth.machine()
  const { ino: root } = await files.root()
  const old = await files.put(root, 'old', [Buffer.from('0123456789')], {
    ...{ mode: 'create', durability: 'process', attributes: { mode: 0o644, uid: 0, gid: 0 } },
  })
  const first = await files.reserve(8)
  return { earth, files, fault, root, old: old.ino, first }
}

function writeBackOver(files: RemoteFiles, root: number, journals: Journal[], log: string[]) {
  return new WriteBack(files, {
    ...{
      journals,
      keepsNew: true,
      root,
      hostname: 'here',
      connection: 'here',
      clock: () => 0,
      isAway: () => false,
    },
    log: (message) => log.push(message),
  })
}

describe('a journal that the local disk has damaged', function () {
  this.timeout(120_000)

  let directory: string
  let name: string
  let bytes: Buffer
  /** Contents that each file had, by name, the oldest first. */
  const states = new Map<string, string[]>([['old', ['0123456789']]])
  /** Where each record ends, and which state of which file it made. */
  const ends: { end: number; file: string; state: number }[] = []

  const path = () => join(directory, 'journal')

  async function opened(log: string[]): Promise<Journal> {
    const options = { limitBytes: 64 << 20, log: (message: string) => log.push(message) }
    const journal = await Journal.open(path(), options)
    if (journal === undefined) throw new Error('somebody else has the journal')
    return journal
  }

  before(async () => {
    directory = await temporaryDirectory('damage')
    const { earth, files, fault, root, old, first } = await tree()
    const journal = await opened([])
    const writeBack = writeBackOver(files, root, [journal], [])
    const shown = journaledFiles(files, writeBack)
    await shown.stat(old)
    fault.next = (operation) => (operation === 'read' ? undefined : new RemoteError('EIO', 'away'))
    const [a, b] = [first, first + 1]
    const inos = new Map([['old', old], ['a', a], ['b', b]]) // biome-ignore format: a table
    const attributes = { mode: 0o600, uid: 0, gid: 0 }
    const born = (file: string, content: string) => () =>
      shown.put(root, file, [Buffer.from(content)], {
        ...{ mode: 'create', ...PROCESS, attributes, ino: inos.get(file) ?? 0 },
      })
    const written = (ino: number, offset: number | 'append', text: string) => () =>
      shown.write(ino, [{ offset, data: Buffer.from(text) }], PROCESS)
    const steps: [file: string, step: () => Promise<unknown>][] = [
      ['a', born('a', 'aaaaaaaaaa')],
      ['old', written(old, 2, 'XXXX')],
      ['old', written(old, 4, 'YYYY')],
      ['b', born('b', 'bbbb')],
      ['a', () => shown.setAttributes(a, { size: 4 })],
      ['a', written(a, 8, 'hole')],
      ['old', () => shown.setAttributes(old, { mode: 0o640 })],
      ['b', written(b, 'append', 'more')],
      ['old', () => shown.setAttributes(old, { size: 0 })],
      ['old', written(old, 0, 'new')],
      ['a', written(a, 1, 'overlapping')],
    ]

    name = '000001.journal'
    for (const [file, step] of steps) {
      await step()
      const content = (await shown.read(inos.get(file) ?? 0, 0, 100)).data.toString()
      const all = states.get(file) ?? []
      states.set(file, [...all, content])
      const end = (await readFile(join(path(), name))).length
      ends.push({ end, file, state: all.length })
    }
    bytes = await readFile(join(path(), name))
    await writeBack.close()
    await earth.close()
  })
  after(() => removeDirectory(directory))

  async function damaged(flawed: Buffer): Promise<void> {
    await removeDirectory(path())
    await mkdir(path(), { mode: 0o700 })
    await writeFile(join(path(), name), flawed, { mode: 0o600 })
  }

  /** How far each file had come by a place in the journal. */
  function reached(place: number): Map<string, number> {
    const done = ends.filter(({ end }) => end <= place)
    return new Map([['old', 0], ...done.map(({ file, state }): [string, number] => [file, state])])
  }

  /** Sends it, and answers what then stands in each file, and what the log said. */
  async function sent(): Promise<{ contents: Map<string, string>; log: string[] }> {
    const { earth, files, root } = await tree()
    try {
      const log: string[] = []
      const journal = await opened(log)
      const writeBack = writeBackOver(files, root, [journal], log)
      await writeBack.start()
      await writeBack.drain()
      await writeBack.close()
      const contents = new Map<string, string>()
      for await (const page of files.list(root)) {
        for (const { ino, name } of page) {
          contents.set(name, (await files.read(ino, 0, 100)).data.toString())
        }
      }
      return { contents, log }
    } finally {
      await earth.close()
    }
  }

  async function isRight(what: string, place: number): Promise<void> {
    const { contents, log } = await sent()
    const from = reached(place)
    for (const [file, all] of states) {
      const known = all.slice(from.get(file) ?? all.length)
      const content = contents.get(file)
      if (content === undefined)
        expect(from.has(file), `${what}: "${file}" is lost`).to.equal(false)
      else expect(from.has(file) ? known : all, `${what}: "${file}"`).to.include(content)
    }
    expect(log, what).not.to.deep.equal([])
  }

  it('is what it should be, undamaged', async () => {
    await damaged(bytes)
    const { contents, log } = await sent()
    for (const [file, all] of states) expect(contents.get(file)).to.equal(all.at(-1))
    expect(contents.size).to.equal(3)
    expect(log).to.deep.equal([])
  })

  it('loses nothing before any byte at which it is cut, and says so', async () => {
    const borders = new Set([0, 8, ...ends.map(({ end }) => end)])
    for (let size = 0; size < bytes.length; size += STRIDE) {
      await damaged(bytes.subarray(0, size))
      const log: string[] = []
      const journal = await opened(log)
      const whole = ends.filter(({ end }) => end <= size).length
      expect(journal.recovered, `${size} bytes`).to.have.length(whole)
      if (!borders.has(size)) expect(log, `${size} bytes`).to.have.length(1)
      await journal.close()
    }
  })

  it('loses one change at most by any wrong byte but in the salt, and says so', async () => {
    for (let at = 0; at < bytes.length; at += at < 8 ? 1 : STRIDE) {
      const flawed = Buffer.from(bytes)
      flawed.writeUInt8(flawed.readUInt8(at) ^ (1 << (at % 8)), at)
      await damaged(flawed)
      const log: string[] = []
      const journal = await opened(log)
      const isSalt = at >= 4 && at < 8
      const least = isSalt ? 0 : ends.length - 1
      expect(journal.recovered.length, `byte ${at}`).to.be.at.least(least)
      if (journal.recovered.length < ends.length) expect(log, `byte ${at}`).to.have.length(1)
      await journal.close()
      if (isSalt) expect(await readdir(path())).to.include(`${name}.damaged`)
    }
  })

  it('sends no bytes that a file never had, wherever it is damaged', async () => {
    for (let at = 8; at < bytes.length; at += SENT_STRIDE) {
      const flawed = Buffer.from(bytes)
      flawed.writeUInt8(flawed.readUInt8(at) ^ (1 << (at % 8)), at)
      await damaged(flawed)
      await isRight(`byte ${at}`, at)
    }
    // The bytes of each change, at their end.
    for (const { end } of ends) {
      const flawed = Buffer.from(bytes)
      flawed.writeUInt8(flawed.readUInt8(end - 1) ^ 1, end - 1)
      await damaged(flawed)
      await isRight(`the last byte of what ends at ${end}`, end - 1)
      // What comes last may be torn as well, and was not acknowledged then.
      if (end < bytes.length) expect(await readdir(path())).to.include(`${name}.damaged`)
    }
  })

  it('is never shown with bytes that were not written', async () => {
    const flawed = Buffer.from(bytes)
    const at = flawed.indexOf('aaaaaaaaaa')
    flawed.writeUInt8(0x62, at)
    await damaged(flawed)
    const { earth, files, root, first } = await tree()
    const journal = await opened([])
    const writeBack = writeBackOver(files, root, [journal], [])
    const shown = journaledFiles(files, writeBack)
    const read = await shown.read(first, 0, 1).catch((error: unknown) => error)
    expect(read).to.be.instanceOf(Error)
    await writeBack.close()
    await earth.close()
  })
})
