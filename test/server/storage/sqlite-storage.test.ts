import { expect } from 'chai'
import { fileName } from '../../../server/storage/path.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { contract, put, refused } from './contract.js'
import { type TemporaryStorage, temporaryStorage } from './temporary.js'

contract('SQLite and a content folder', () => temporaryStorage())
contract('SQLite with small contents', () => temporaryStorage({ smallBytes: 16_384 }))
contract('SQLite with tiny contents, so that they move to files', () =>
  temporaryStorage({ smallBytes: 4 }),
)

describe('a file with as many names as there may be', () => {
  it('gets no more (EMLINK), and others do', async () => {
    const directory = await temporaryDirectory('links')
    const first = await temporaryStorage({ directory })
    const { ino } = await put(await first.storage.tree('ann'), await at(first, 'f'), 'content')
    // one by one they would take minutes; at the next start nothing is at hand of what is changed here
    first.database.exec(`UPDATE inodes SET nlink = 64999 WHERE ino = ${ino}`)
    await first.close()
    const second = await temporaryStorage({ directory })
    try {
      const tree = await second.storage.tree('ann')
      expect((await tree.link(ino, await at(second, 'last'), {})).nlink).to.equal(65_000)
      await refused('EMLINK', tree.link(ino, await at(second, 'more'), {}))
      const other = await put(tree, await at(second, 'g'), 'content')
      expect((await tree.link(other.ino, await at(second, 'h'), {})).nlink).to.equal(2)
    } finally {
      await second.close()
      await removeDirectory(directory)
    }
  })

  async function at({ storage }: TemporaryStorage, name: string) {
    return { directory: (await storage.tree('ann')).root, name: fileName(name) }
  }
})
