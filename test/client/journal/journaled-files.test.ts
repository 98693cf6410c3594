import { expect } from 'chai'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import { world } from '../fs/local-mount.js'

describe('the files of a mount with a journal', () => {
  it('are as last seen once the server turns out to be away, also for who asks already', async () => {
    const earth = await world()
    try {
      const { files } = await earth.machine()
      let isAway = false
      const writeBack = new WriteBack(files, {
        ...{ journals: [], keepsNew: true, root: 1, hostname: 'here', clock: () => 0 },
        isAway: () => isAway,
        log: () => {},
      })
      const shown = journaledFiles(files, writeBack)
      const seen = await shown.root()
      // The question is never answered.
      files.stat = () => {
        isAway = true
        return new Promise(() => {})
      }
      expect(await shown.stat(seen.ino)).to.deep.equal(seen)
    } finally {
      await earth.close()
    }
  })
})
