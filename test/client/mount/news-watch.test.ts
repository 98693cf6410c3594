import { expect } from 'chai'
import { NewsWatch } from '../../../client/mount/news-watch.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { world } from '../fs/local-mount.js'

const ROOT = 1
const FOLDER = { directory: ROOT, name: 'folder' }
const OTHER = { directory: ROOT, name: 'other' }

describe('the folder that a mount shows', () => {
  const ways: Record<string, (files: RemoteFiles) => Promise<unknown>> = {
    'is removed': (files) => files.remove(ROOT, 'folder', 'rmdir', { keep: false }),
    'has another one put in its place': (files) =>
      files.rename(OTHER, FOLDER, { mode: 'replace', keep: false }),
  }
  for (const [way, remove] of Object.entries(ways)) {
    it(`is known to be gone once it ${way}`, async () => {
      const earth = await world()
      const stop = new AbortController()
      try {
        const here = await earth.machine({}, 'told')
        const there = await earth.machine()
        const made = await there.files.make(ROOT, 'folder', { type: 'directory' }, {})
        await there.files.make(ROOT, 'other', { type: 'directory' }, {})
        let told = 0
        const watch = new NewsWatch(made.ino, () => {
          told += 1
        })
        for await (const item of watch.over(here.files).changes?.(stop.signal) ?? []) {
          if (item.kind === 'connected') {
            expect(watch.isRootGone).to.equal(false)
            await remove(there.files)
            await there.files.make(ROOT, 'last', { type: 'file' }, {})
          }
          if (item.kind === 'change' && item.change.kind === 'make') break
        }
        expect([watch.isRootGone, told]).to.deep.equal([true, 1])
      } finally {
        stop.abort()
        await earth.close()
      }
    })
  }
})
