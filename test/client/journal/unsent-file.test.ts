import { expect } from 'chai'
import { pendingChange } from '../../../client/journal/pending.js'
import type { Change } from '../../../client/journal/record.js'
import { JournalData } from '../../../client/journal/segment.js'
import { UnsentFile } from '../../../client/journal/unsent-file.js'
import { plannedFile } from '../../../client/planned-file.js'
import type { WireAttributes } from '../../../server/wire/inodes.js'

type Content =
  | Pick<Extract<Change, { kind: 'write' }>, 'kind' | 'parts'>
  | Pick<Extract<Change, { kind: 'attributes' }>, 'kind'>

describe('a file that waits in the journal', () => {
  it('reads as zeros between the end of what the server has and what was written behind it', async () => {
    const place = { directory: 1, name: 'name' }
    const attributes = { mode: 0o644, uid: 0, gid: 0, atime: '1', mtime: '1' }
    const base = { ...plannedFile({ ino: 10, attributes }), size: 3 }
    const file = new UnsentFile(10, base, place)
    file.add(
      pendingChange({
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
      }),
    )
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

  it('has no set-user-ID any more once its content or owner is another', () => {
    const place = { directory: 1, name: 'name' }
    const attributes = { mode: 0o6755, uid: 0, gid: 0, atime: '1', mtime: '1' }
    const program = plannedFile({ ino: 10, attributes })
    const mode = (change: Content, changes: object, base: WireAttributes = program) => {
      const file = new UnsentFile(10, base, place)
      file.add(
        pendingChange({
          change: { id: 1, ino: 10, changes, before: base, ...change },
          data: new JournalData(undefined, [Buffer.from('x')]),
          journal: undefined,
          after: [],
        }),
      )
      return file.shown.mode
    }
    const parts = [{ offset: 0, length: 1 }]
    expect(mode({ kind: 'write', parts }, {})).to.equal(0o755)
    expect(mode({ kind: 'write', parts }, { mode: 0o4711 })).to.equal(0o4711)
    expect(mode({ kind: 'attributes' }, { size: 5 })).to.equal(0o755)
    expect(mode({ kind: 'attributes' }, { gid: 5 })).to.equal(0o755)
    expect(mode({ kind: 'attributes' }, { mtime: '5' })).to.equal(0o6755)
    const directory = { ...program, type: 'directory' } as const
    expect(mode({ kind: 'attributes' }, { gid: 5 }, directory)).to.equal(0o6755)
  })
})
