import { expect } from 'chai'
import { plannedFile } from '../../../client/journal/planned-file.js'
import { JournalData } from '../../../client/journal/segment.js'
import { UnsentFile } from '../../../client/journal/unsent-file.js'

describe('a file that waits in the journal', () => {
  it('reads as zeros between the end of what the server has and what was written behind it', async () => {
    const place = { directory: 1, name: 'name' }
    const attributes = { mode: 0o644, uid: 0, gid: 0, atime: '1', mtime: '1' }
    const base = { ...plannedFile({ kind: 'birth', ino: 10, place, attributes }), size: 3 }
    const file = new UnsentFile(10, base, place)
    file.add({
      change: {
        kind: 'write',
        id: 1,
        ino: 10,
        parts: [
          { offset: 5, length: 2 },
          { offset: 9, length: 2 },
        ],
        changes: { mtime: '2' },
        before: base,
      },
      data: new JournalData(undefined, [Buffer.from('wxyz')]),
      journal: undefined,
      after: [],
      finished: Promise.resolve(),
      finish() {},
    })
    const stored = Buffer.from('abc')
    const fetch = async (offset: number, length: number) => stored.subarray(offset, offset + length)
    const read = async (offset: number, length: number) =>
      (await file.read(offset, length, fetch)).toString()
    expect(await read(0, 100)).to.equal('abc\0\0wx\0\0yz')
    expect(await read(4, 4)).to.equal('\0wx\0')
    expect(await read(7, 2)).to.equal('\0\0')
    // The gaps take no room, as du(1) has it.
    expect(file.shown).to.include({ size: 11, allocated: 7 })
    expect(file.over(base)).to.include({ size: 11, allocated: 7 })
  })
})
