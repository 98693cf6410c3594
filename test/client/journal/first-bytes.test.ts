import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

const SEGMENT = '000001.journal'

/** With the power, of what was being written any page may be lost, also the first. */
describe('a segment of a journal whose first bytes the disk never got', () => {
  let directory: string
  let log: string[]

  beforeEach(async () => {
    directory = await temporaryDirectory('first-bytes')
    log = []
  })
  afterEach(() => removeDirectory(directory))

  async function opened(): Promise<Journal> {
    const options = { limitBytes: 64 << 20, log: (message: string) => log.push(message) }
    const journal = await Journal.open(directory, options)
    if (journal === undefined) throw new Error('somebody else has the journal')
    return journal
  }

  /** Each batch at once. */
  async function written(...batches: string[][]): Promise<Buffer> {
    const journal = await opened()
    for (const batch of batches) {
      const all = batch.map((content) => {
        const id = journal.nextId()
        const place = { directory: 1, name: `file ${id}` }
        const attributes = { mode: 0o644, uid: 0, gid: 0, atime: '1', mtime: '1' }
        const birth = { kind: 'birth' as const, id, ino: 1000 + id, place, attributes }
        return journal.append(birth, [Buffer.from(content)]).stored
      })
      await Promise.all(all)
    }
    await journal.close()
    return readFile(join(directory, SEGMENT))
  }

  /** What stands in its folder once the next mount has looked at it. */
  async function leftOf(bytes: Buffer): Promise<string[]> {
    await writeFile(join(directory, SEGMENT), bytes)
    const next = await opened()
    expect(next.recovered).to.deep.equal([])
    await next.close()
    return (await readdir(directory)).sort()
  }

  const many = Array.from({ length: 100 }, (_, index) => `content ${index}`)

  it('is not damaged where none of it was acknowledged', async () => {
    const bytes = await written(many)
    expect(await leftOf(bytes.fill(0, 0, 4096))).to.deep.equal(['lock'])
    expect(log).to.have.length(1)
  })

  it('is not damaged where all of it is zeros', async () => {
    expect(await leftOf(Buffer.alloc(10_000))).to.deep.equal(['lock'])
  })

  it('is not damaged where they end within the first header', async () => {
    const bytes = await written(['x'.repeat(10_000)])
    expect(await leftOf(bytes.fill(0, 100, bytes.indexOf('xxx')))).to.deep.equal(['lock'])
  })

  it('is damaged where something is behind them that came later', async () => {
    const bytes = await written(many, ['later'])
    expect(await leftOf(bytes.fill(0, 0, 4096))).to.deep.equal([`${SEGMENT}.damaged`, 'lock'])
  })
})
