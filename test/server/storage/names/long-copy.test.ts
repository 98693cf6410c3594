import { expect } from 'chai'
import { fileName } from '../../../../server/storage/path.js'
import { overwrite } from '../../../../server/storage/storage.js'
import { temporaryStorage } from '../temporary.js'

describe('a copy of a directory with many small files', () => {
  it('lets others have their turn', async () => {
    const subject = await temporaryStorage({ smallBytes: 1024 })
    try {
      const tree = await subject.storage.tree('ann')
      const at = (name: string, directory = tree.root) => ({ directory, name: fileName(name) })
      const attributes = { mode: 0o755, uid: 0, gid: 0 }
      const many = await tree.make(at('many'), { type: 'directory' }, attributes, {})
      const terms = { precondition: overwrite, origin: {} }
      for (let count = 0; count < 500; count += 1) {
        await tree.create(at(`file${count}`, many.ino), Buffer.from('small'), attributes, terms)
      }
      let turns = 0
      let isOver = false
      const turn = () => {
        turns += 1
        if (!isOver) setImmediate(turn)
      }
      const how = { deep: true, source: overwrite, precondition: overwrite }
      const copied = tree.copy(many.ino, at('copy'), how, {}).finally(() => {
        isOver = true
      })
      setImmediate(turn)
      const { inode } = await copied
      expect(turns).to.be.at.least(5)
      expect(await tree.list(inode.ino, { limit: 1000 })).to.have.length(500)
    } finally {
      await subject.close()
    }
  })
})
