import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { requires } from '../../support/requires.js'
import { until } from '../../support/until.js'
import { MemoryMount } from '../fuse/memory-mount.js'

describe('a journal whose disk hangs', () => {
  let disk: MemoryMount

  beforeEach(async function () {
    requires(this, 'fuse')
    this.timeout(60_000)
    disk = await MemoryMount.start()
  })
  afterEach(async () => {
    await disk?.ask({ kind: 'stick', how: 'no' })
    await disk?.stop()
  })

  it('has nobody wait for what is taken back meanwhile', async () => {
    const journal = await Journal.open(disk.path('journal'), {
      ...{ limitBytes: 1 << 20, patienceMilliseconds: 500 },
      log: () => {},
    })
    if (journal === undefined) throw new Error('somebody else has the journal')
    const append = () => {
      const id = journal.nextId()
      const place = { directory: 1, name: `file ${id}` }
      const attributes = { mode: 0o644, uid: 0, gid: 0, atime: '1', mtime: '1' }
      const birth = { kind: 'birth' as const, id, ino: 1000 + id, place, attributes }
      return { id, ...journal.append(birth, [Buffer.from('x')]) }
    }
    const before = append()
    await before.stored
    await disk.ask({ kind: 'stick', how: 'frozen' })
    await append().stored.catch(() => {})
    expect(journal.isHanging).to.equal(true)
    journal.takenBack(before.id)
    await journal.kept()
    expect(journal.isHanging).to.equal(true)
    await disk.ask({ kind: 'stick', how: 'no' })
    await until('it takes changes again', async () => !journal.isHanging)
    await journal.close()
  })
})
