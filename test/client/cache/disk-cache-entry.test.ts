import { expect } from 'chai'
import {
  blockOf,
  canBeEntry,
  ENTRY_BYTES,
  entryOf,
  inoOf,
  isIntact,
  isOf,
  isWritten,
  lengthOf,
} from '../../../client/cache/disk-cache-entry.js'

describe('what says which block is in a slot of the disk cache', () => {
  const key = { ino: 2 ** 40 + 7, generation: 3, version: 5, size: 9, mtime: '-1500000000' }
  const data = Buffer.from('some text')
  const entry = entryOf(key, 4, data)

  it('says it, and fits the slot', () => {
    expect(entry).to.have.length(ENTRY_BYTES)
    expect([inoOf(entry), blockOf(entry), lengthOf(entry)]).to.deep.equal([key.ino, 4, 9])
    expect([isWritten(entry), isOf(entry, key), isIntact(entry, data)]).to.deep.equal([
      true,
      true,
      true,
    ])
  })

  it('is of no other content', () => {
    for (const other of [
      { ino: 7 },
      { generation: 4 },
      { version: 6 },
      { size: 10 },
      { mtime: '0' },
    ]) {
      expect(isOf(entry, { ...key, ...other }), JSON.stringify(other)).to.equal(false)
    }
  })

  it('has no room for a block beyond 256 TiB, nor for any time that a server may make up', () => {
    expect(canBeEntry(key, 2 ** 32 - 1)).to.equal(true)
    expect(canBeEntry(key, 2 ** 32)).to.equal(false)
    expect(canBeEntry({ ...key, mtime: '9223372036854775807' }, 0)).to.equal(true)
    expect(canBeEntry({ ...key, mtime: '9223372036854775808' }, 0)).to.equal(false)
  })

  it('is nothing where nothing was written', () => {
    expect(isWritten(Buffer.alloc(ENTRY_BYTES))).to.equal(false)
  })

  it('does not go with data that changed, nor when it has changed itself', () => {
    expect(isIntact(entry, Buffer.from('same text'))).to.equal(false)
    for (let at = 0; at < 52; at += 4) {
      const damaged = Buffer.from(entry)
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at)
      expect(isIntact(damaged, data), `byte ${at}`).to.equal(false)
    }
  })
})
