import { expect } from 'chai'
import { type Pending, pendingChange } from '../../../client/journal/pending.js'
import type { Change } from '../../../client/journal/record.js'
import { JournalData } from '../../../client/journal/segment.js'
import { UnsentFile } from '../../../client/journal/unsent-file.js'
import { UnsentFiles } from '../../../client/journal/unsent-files.js'
import { plannedFile } from '../../../client/planned-file.js'

describe('the names of files that wait in the journal', () => {
  const PLACE = { directory: 1, name: 'name' }

  const birthOf = (ino: number) => ({
    kind: 'birth' as const,
    ino,
    place: PLACE,
    attributes: { mode: 0o644, uid: 0, gid: 0, atime: '1', mtime: '1' },
  })

  function pending(change: Change): Pending {
    const data = new JournalData(undefined, [])
    return pendingChange({ change, data, journal: undefined, after: [] })
  }

  function file(ino: number): UnsentFile {
    return new UnsentFile(ino, plannedFile(birthOf(ino)), PLACE)
  }

  /** A new file, and a change of an older one that was last found where the new one is to stand. */
  function both() {
    const unsent = new UnsentFiles()
    const [older, newer] = [file(10), file(20)]
    const birth = pending({ id: 1, ...birthOf(20) })
    const change = pending({
      kind: 'attributes',
      id: 2,
      ino: 10,
      changes: { mode: 0o600 },
      before: older.shown,
    })
    unsent.add(newer, birth)
    unsent.add(older, change)
    return { unsent, older, newer }
  }

  it('belong to the new file, whatever stood there before', () => {
    const { unsent, newer } = both()
    expect(unsent.named(PLACE)).to.equal(newer)
    expect(unsent.at(PLACE)).to.equal(newer)
  })

  it("are nobody's once that is sent, also while the older one waits", () => {
    const { unsent, older, newer } = both()
    unsent.removeFirst(newer, undefined)
    expect(unsent.at(PLACE)).to.equal(undefined)
    expect([...unsent.in(PLACE.directory)]).to.deep.equal([])
    unsent.removeFirst(older, undefined)
    expect(unsent.isEmpty).to.equal(true)
  })
})
