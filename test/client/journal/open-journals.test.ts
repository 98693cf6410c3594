import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { isJournalLeft, openJournals } from '../../../client/journal/open-journals.js'
import { encodeRecord, type JournalRecord } from '../../../client/journal/record.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { openFiles } from '../../support/open-files.js'

describe('whether a journal is left', () => {
  let directory: string
  beforeEach(async () => {
    directory = await temporaryDirectory('journals')
  })
  afterEach(() => removeDirectory(directory))

  it('none where there has never been one, or nothing of it is left', async () => {
    expect(await isJournalLeft(join(directory, 'never'))).to.equal(false)
    await writeFile(join(directory, 'lock'), '')
    expect(await isJournalLeft(directory)).to.equal(false)
  })

  it('it is where there is a segment', async () => {
    await writeFile(join(directory, '000001.journal'), '')
    expect(await isJournalLeft(directory)).to.equal(true)
  })

  it('perhaps, where it cannot be seen: nobody is to get locks before what was written under them', async () => {
    await writeFile(join(directory, 'file'), '')
    expect(await isJournalLeft(join(directory, 'file'))).to.equal(true)
  })
})

describe('a journal that is not for this mount', () => {
  let directory: string
  let log: string[]
  let warned: string[]
  beforeEach(async () => {
    directory = await temporaryDirectory('journals')
    log = []
    warned = []
  })
  afterEach(() => removeDirectory(directory))

  const options = () => ({
    limitBytes: 1 << 20,
    own: true,
    log: (message: string) => log.push(message),
    warn: (message: string) => warned.push(message),
  })
  const birth = (id: number) => ({
    kind: 'birth' as const,
    id,
    ino: 100 + id,
    place: { directory: 1, name: `file ${id}` },
    attributes: { mode: 0o644, uid: 0, gid: 0, atime: '0', mtime: '0' },
  })

  for (const where of ['behind all else', 'before other changes'] as const) {
    it(`because another version wrote it is left as it is, and told of, if what is not known stands ${where}`, async () => {
      const old = await Journal.open(join(directory, '1'), options())
      await old?.append(birth(1), [Buffer.from('kept')]).stored
      await old?.close()
      const file = join(directory, '1', '000001.journal')
      const salt = (await readFile(file)).readUInt32LE(4)
      const synced = (await readFile(file)).length
      const newer = { ...birth(2), kind: 'of another version' } as unknown as JournalRecord
      await appendFile(file, encodeRecord(newer, [], { salt, synced }))
      if (where === 'before other changes') {
        await appendFile(file, encodeRecord(birth(3), [], { salt, synced }))
      }
      const before = await readFile(file)

      const [own, ...others] = await openJournals(directory, options())
      expect(others).to.deep.equal([])
      expect(own?.directory).to.equal(join(directory, '2'))
      expect(own?.isEmpty).to.equal(true)
      await own?.close()
      expect(warned).to.deep.equal(log)
      expect(log).to.have.length(1)
      expect(log[0]).to.contain(file).and.contain('another version of Coffer')
      expect(await readFile(file)).to.deep.equal(before)
      expect(await readdir(join(directory, '1'))).to.include('000001.journal')
      expect(await isJournalLeft(join(directory, '1'))).to.equal(true)
    })
  }

  it('because it cannot be read keeps nobody from the others, and is told of', async () => {
    const journals = [1, 2].map((number) => Journal.open(join(directory, `${number}`), options()))
    for (const opening of journals) {
      const journal = await opening
      await journal?.append(birth(1), [Buffer.from('kept')]).stored
      await journal?.close()
    }
    await mkdir(join(directory, '1', '000002.journal'))

    const [own, ...others] = await openJournals(directory, options())
    expect(others).to.deep.equal([])
    expect(own?.directory).to.equal(join(directory, '2'))
    expect(own?.recovered).to.have.length(1)
    await own?.close()
    expect(warned).to.deep.equal(log)
    expect(log).to.have.length(1)
    expect(log[0]).to.contain(join(directory, '1')).and.contain('EISDIR')
    // Node.js 26 ends a process that leaves one to the garbage collector.
    expect(await openFiles(join(directory, '1'))).to.deep.equal([])
    expect(await isJournalLeft(join(directory, '1'))).to.equal(true)
  })
})
