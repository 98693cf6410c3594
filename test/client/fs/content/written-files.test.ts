import { expect } from 'chai'
import { WrittenFiles } from '../../../../client/fs/content/written-files.js'
import type { WireAttributes } from '../../../../server/wire/inodes.js'

describe('small files that were just written', () => {
  const BYTES = 100
  const read = (files: WrittenFiles, ino: number) => files.read(ino, 0, BYTES, 1)

  it('are kept up to a limit, the newest of them', () => {
    const files = new WrittenFiles(10 * BYTES)
    for (let ino = 1; ino <= 25; ino++) {
      const attributes = { ino, size: BYTES, version: 1 } as WireAttributes
      files.keep(attributes, [{ offset: 0, data: Buffer.alloc(BYTES, ino) }])
      expect(read(files, ino)).to.deep.equal(Buffer.alloc(BYTES, ino))
      const kept = Array.from({ length: 25 }, (_, at) => at + 1).filter((each) => read(files, each))
      expect(kept.length).to.be.within(Math.min(ino, 8), 10)
      expect(kept).to.deep.equal(kept.map((_, at) => ino - kept.length + 1 + at))
    }
  })

  it('are not read in another version', () => {
    const files = new WrittenFiles(10 * BYTES)
    const attributes = { ino: 1, size: BYTES, version: 1 } as WireAttributes
    files.keep(attributes, [{ offset: 0, data: Buffer.alloc(BYTES, 7) }])
    expect(files.read(1, 0, BYTES, 2)).to.equal(undefined)
    expect(read(files, 1)).to.equal(undefined)
  })
})
