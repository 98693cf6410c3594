import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileName as name } from '../../../server/storage/path.js'
import { append, overwrite, type Tree } from '../../../server/storage/storage.js'
import { put } from './contract.js'
import { temporaryStorage } from './temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

describe('a hole', () => {
  it('stays one when a file is extended, written far out, copied and cut', async () => {
    const subject = await temporaryStorage()
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'begin')
      await tree.setAttributes(ino, { size: 10_000_000_000 }, overwrite, {})
      const parts = [{ offset: 5_000_000_000, data: Buffer.from('middle') }]
      await tree.write(ino, parts, overwrite, {})
      await tree.write(ino, [{ offset: append, data: Buffer.from('end') }], overwrite, {})
      expect((await tree.stat(ino)).size).to.equal(10_000_000_003)
      const content = await tree.open(ino)
      expect(String(await content.read(4_999_999_999, 8))).to.equal('\0middle\0')
      expect(String(await content.read(9_999_999_999, 100))).to.equal('\0end')
      await content.close()
      await tree.setAttributes(ino, { size: 20_000_000 }, overwrite, {})
      await tree.copy(
        ino,
        at(tree, 'g'),
        { deep: false, source: overwrite, precondition: overwrite },
        {},
      )
      const all = await files(subject.directory)
      for (const path of all) expect((await stat(path)).blocks * 512).to.be.below(100_000)
      expect(all).to.have.length(2)
    } finally {
      await subject.close()
    }
  })
})

async function files(directory: string): Promise<string[]> {
  const all = await readdir(join(directory, 'content'), { recursive: true, withFileTypes: true })
  return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
