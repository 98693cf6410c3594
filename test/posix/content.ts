import { randomBytes } from 'node:crypto'
import { constants, open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'

const { O_RDWR, O_CREAT, O_RDONLY, O_WRONLY, O_APPEND, O_TRUNC } = constants

/** read(2), pwrite(2), writev(2), ftruncate(2), fsync(2) */
export const contentCases: Cases = {
  'an empty file reads as nothing': async (dir) => {
    await writeFile(join(dir, 'a'), '')
    expect(await readFile(join(dir, 'a'))).to.have.length(0)
  },
  'bytes of every value come back': async (dir) => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
    await writeFile(join(dir, 'a'), bytes)
    expect((await readFile(join(dir, 'a'))).equals(bytes)).to.equal(true)
  },
  'a file of 5 MiB and some bytes comes back': async (dir) => {
    const bytes = randomBytes(5 * 2 ** 20 + 777)
    await writeFile(join(dir, 'a'), bytes)
    expect((await readFile(join(dir, 'a'))).equals(bytes)).to.equal(true)
  },
  'writes in any order make one file': async (dir) => {
    const bytes = randomBytes(64 * 1024)
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    const pieces = Array.from({ length: 64 }, (_, index) => (index * 37) % 64)
    for (const piece of pieces) await file.write(bytes, piece * 1024, 1024, piece * 1024)
    await file.close()
    expect((await readFile(join(dir, 'a'))).equals(bytes)).to.equal(true)
  },
  'overlapping writes leave the last': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.write('aaaaaaaaaa', 0)
    await file.write('bbbb', 3)
    await file.write('c', 4)
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('aaabcbbaaa')
  },
  'bytes written over what was appended to a file that was cut are the last': async (dir) => {
    await writeFile(join(dir, 'a'), 'x'.repeat(20))
    const appending = await open(join(dir, 'a'), O_WRONLY | O_APPEND)
    const cutting = await open(join(dir, 'a'), O_RDWR | O_TRUNC)
    await appending.write('aaaaaaaa')
    await cutting.write('bbbb', 2)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('aabbbbaa')
    await appending.close()
    await cutting.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('aabbbbaa')
  },
  'a hole takes no room (st_blocks)': async (dir) => {
    await writeFile(join(dir, 'a'), 'begin')
    await truncate(join(dir, 'a'), 50_000_000)
    const file = await open(join(dir, 'a'), O_RDWR)
    await file.write('end', 40_000_000)
    await file.close()
    const { size, blocks } = await stat(join(dir, 'a'))
    expect(size).to.equal(50_000_000)
    expect(blocks * 512).to.be.below(1_000_000)
    await writeFile(join(dir, 'b'), randomBytes(1_000_000))
    expect((await stat(join(dir, 'b'))).blocks * 512).to.be.within(1_000_000, 1_100_000)
  },
  'one byte in the middle changes only that': async (dir) => {
    const bytes = randomBytes(300_000)
    await writeFile(join(dir, 'a'), bytes)
    const file = await open(join(dir, 'a'), O_RDWR)
    await file.write(Buffer.of(0x5a), 0, 1, 150_001)
    await file.close()
    bytes[150_001] = 0x5a
    expect((await readFile(join(dir, 'a'))).equals(bytes)).to.equal(true)
  },
  'one byte at a time makes a text': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    for (const letter of 'one byte at a time') await file.write(letter)
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('one byte at a time')
  },
  'writev writes all its pieces': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.writev([Buffer.from('one '), Buffer.from(''), Buffer.from('two')])
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('one two')
  },
  'reading at the end answers nothing': async (dir) => {
    await writeFile(join(dir, 'a'), 'abc')
    const file = await open(join(dir, 'a'), O_RDONLY)
    expect((await file.read(Buffer.alloc(9), 0, 9, 3)).bytesRead).to.equal(0)
    expect((await file.read(Buffer.alloc(9), 0, 9, 4096)).bytesRead).to.equal(0)
    await file.close()
  },
  'reading across the end is short': async (dir) => {
    await writeFile(join(dir, 'a'), 'abc')
    const file = await open(join(dir, 'a'), O_RDONLY)
    expect((await file.read(Buffer.alloc(9), 0, 9, 1)).bytesRead).to.equal(2)
    await file.close()
  },
  'a gap reads as zeros': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.write('a', 0)
    await file.write('b', 10_000)
    await file.close()
    const bytes = await readFile(join(dir, 'a'))
    expect(bytes).to.have.length(10_001)
    expect(bytes.subarray(1, 10_000).every((byte) => byte === 0)).to.equal(true)
  },
  'a byte beyond 4 GiB makes a sparse file': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    const far = 5 * 2 ** 30 + 3
    await file.write(Buffer.from('z'), 0, 1, far)
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, far - 1)
    await file.close()
    expect([...buffer]).to.deep.equal([0, 0x7a])
    expect((await stat(join(dir, 'a'))).size).to.equal(far + 1)
  },
  'truncate cuts': async (dir) => {
    await writeFile(join(dir, 'a'), '0123456789')
    await truncate(join(dir, 'a'), 4)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('0123')
  },
  'truncate extends with zeros': async (dir) => {
    await writeFile(join(dir, 'a'), 'ab')
    await truncate(join(dir, 'a'), 5)
    expect([...(await readFile(join(dir, 'a')))]).to.deep.equal([0x61, 0x62, 0, 0, 0])
  },
  'what truncate cut off stays gone when the file grows again': async (dir) => {
    await writeFile(join(dir, 'a'), 'secret stuff')
    await truncate(join(dir, 'a'), 3)
    await truncate(join(dir, 'a'), 12)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal(`sec${'\0'.repeat(9)}`)
  },
  'truncate to the same size keeps the content': async (dir) => {
    await writeFile(join(dir, 'a'), 'same')
    await truncate(join(dir, 'a'), 4)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('same')
  },
  'truncate to 5 GiB and back works': async (dir) => {
    await writeFile(join(dir, 'a'), 'x')
    await truncate(join(dir, 'a'), 5 * 2 ** 30)
    expect((await stat(join(dir, 'a'))).size).to.equal(5 * 2 ** 30)
    await truncate(join(dir, 'a'), 1)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('x')
  },
  'truncate of a missing file is ENOENT': (dir) => fails('ENOENT', truncate(join(dir, 'a'), 0)),
  'truncate of a directory is EISDIR': (dir) => fails('EISDIR', truncate(dir, 0)),
  'ftruncate forgets what was written and not yet sent': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.write('0123456789', 0)
    await file.truncate(3)
    await file.write('X', 5)
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('012\0\0X')
  },
  'ftruncate of an O_RDONLY descriptor is EINVAL': async (dir) => {
    await writeFile(join(dir, 'a'), 'abc')
    const file = await open(join(dir, 'a'), O_RDONLY)
    await fails(['EINVAL', 'EBADF'], file.truncate(1))
    await file.close()
  },
  'fstat sees the size of what was just written': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.write(Buffer.alloc(12_345))
    expect((await file.stat()).size).to.equal(12_345)
    await file.close()
  },
  'stat by name sees the size of what was just written': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.write(Buffer.alloc(12_345))
    expect((await stat(join(dir, 'a'))).size).to.equal(12_345)
    await file.close()
  },
  'fsync and fdatasync succeed': async (dir) => {
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await file.write('durable')
    await file.datasync()
    await file.sync()
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('durable')
  },
  'fsync of a directory succeeds': async (dir) => {
    const directory = await open(dir, O_RDONLY)
    await directory.sync()
    await directory.close()
  },
  'a hundred rewrites leave the last one': async (dir) => {
    for (let round = 0; round < 100; round++) await writeFile(join(dir, 'a'), `round ${round}`)
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('round 99')
  },
  'concurrent writes to parts of one file all arrive': async (dir) => {
    const bytes = randomBytes(32 * 8192)
    const file = await open(join(dir, 'a'), O_RDWR | O_CREAT)
    await Promise.all(
      Array.from({ length: 32 }, (_, index) => file.write(bytes, index * 8192, 8192, index * 8192)),
    )
    await file.close()
    expect((await readFile(join(dir, 'a'))).equals(bytes)).to.equal(true)
  },
}
