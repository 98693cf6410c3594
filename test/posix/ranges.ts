import { randomBytes } from 'node:crypto'
import { type FileHandle, open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import {
  copy_file_range,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  fallocate,
  lseek,
  SEEK_DATA,
  SEEK_HOLE,
} from './libc.js'

const MIB = 2 ** 20
/** Holes are found in steps of the file system, of which none here is longer. */
const STEP = 64 * 1024

const room = async (path: string): Promise<number> => (await stat(path)).blocks * 512

/** Copies through two descriptors until nothing comes any more. */
async function copied(from: FileHandle, to: FileHandle, length: number): Promise<number> {
  let sum = 0
  for (let left = length; left > 0; left = length - sum) {
    const bytes = await copy_file_range(from.fd, to.fd, left)
    if (bytes === 0) break
    sum += bytes
  }
  return sum
}

async function both(dir: string, bytes: Buffer): Promise<[from: FileHandle, to: FileHandle]> {
  await writeFile(join(dir, 'from'), bytes)
  return [await open(join(dir, 'from'), 'r'), await open(join(dir, 'to'), 'w+')]
}

/** SEEK_DATA and SEEK_HOLE of lseek(2); copy_file_range(2); fallocate(2) that makes zeros */
export const rangeCases: Cases = {
  'SEEK_DATA and SEEK_HOLE find the ends of a hole': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.write(Buffer.alloc(STEP, 'x'), 0, STEP, 0)
    await file.write(Buffer.alloc(STEP, 'y'), 0, STEP, 4 * MIB)
    await file.sync()
    expect(await lseek(file.fd, 0, SEEK_DATA)).to.equal(0)
    expect(await lseek(file.fd, 0, SEEK_HOLE)).to.equal(STEP)
    expect(await lseek(file.fd, MIB, SEEK_HOLE)).to.equal(MIB)
    expect(await lseek(file.fd, MIB, SEEK_DATA)).to.be.within(4 * MIB - STEP, 4 * MIB)
    expect(await lseek(file.fd, 4 * MIB, SEEK_HOLE)).to.equal(4 * MIB + STEP)
    await file.close()
  },
  'a dense file is data up to its end, which is a hole': async (dir) => {
    await writeFile(join(dir, 'a'), randomBytes(MIB))
    const file = await open(join(dir, 'a'), 'r')
    for (const at of [0, 1, 500_000, MIB - 1]) {
      expect(await lseek(file.fd, at, SEEK_DATA)).to.equal(at)
      expect(await lseek(file.fd, at, SEEK_HOLE)).to.equal(MIB)
    }
    await file.close()
  },
  'a file that is one hole has no data': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.truncate(MIB)
    await fails('ENXIO', lseek(file.fd, 0, SEEK_DATA))
    expect(await lseek(file.fd, 5, SEEK_HOLE)).to.equal(5)
    await file.close()
  },
  'SEEK_DATA in the hole at the end is ENXIO': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.write(Buffer.alloc(STEP, 'x'))
    await file.truncate(4 * MIB)
    await fails('ENXIO', lseek(file.fd, MIB, SEEK_DATA))
    expect(await lseek(file.fd, MIB, SEEK_HOLE)).to.equal(MIB)
    await file.close()
  },
  'at the end and beyond, and in an empty file, all is ENXIO': async (dir) => {
    await writeFile(join(dir, 'a'), 'data')
    const file = await open(join(dir, 'a'), 'r')
    const empty = await open(join(dir, 'b'), 'w+')
    for (const whence of [SEEK_DATA, SEEK_HOLE]) {
      for (const at of [4, 5, 2 ** 40]) await fails('ENXIO', lseek(file.fd, at, whence))
      await fails('ENXIO', lseek(empty.fd, 0, whence))
    }
    await Promise.all([file.close(), empty.close()])
  },
  'seeking finds what was written and not yet sent': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.truncate(4 * MIB)
    await file.write(Buffer.alloc(STEP, 'x'), 0, STEP, 2 * MIB)
    expect(await lseek(file.fd, 0, SEEK_DATA)).to.be.within(2 * MIB - STEP, 2 * MIB)
    expect(await lseek(file.fd, 2 * MIB, SEEK_HOLE)).to.equal(2 * MIB + STEP)
    await file.write('behind the end', 5 * MIB)
    expect(await lseek(file.fd, 3 * MIB, SEEK_DATA)).to.be.within(5 * MIB - STEP, 5 * MIB)
    await file.close()
  },

  'SEEK_DATA finds what a new file begins with behind a hole': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.write(Buffer.alloc(STEP, 'x'), 0, STEP, 4 * MIB)
    expect(await lseek(file.fd, 0, SEEK_DATA)).to.be.within(4 * MIB - STEP, 4 * MIB)
    await file.close()
  },
  'copy_file_range copies a whole file of some MiB': async (dir) => {
    const bytes = randomBytes(20 * MIB + 77)
    const [from, to] = await both(dir, bytes)
    expect(await copied(from, to, 2 ** 40)).to.equal(bytes.length)
    await Promise.all([from.close(), to.close()])
    expect((await readFile(join(dir, 'to'))).equals(bytes)).to.equal(true)
  },
  'copy_file_range copies a part into the middle of a file': async (dir) => {
    const bytes = randomBytes(MIB)
    const before = randomBytes(MIB)
    const [from, to] = await both(dir, bytes)
    await to.write(before)
    expect((await to.read(Buffer.alloc(MIB), 0, MIB, 0)).bytesRead).to.equal(MIB)
    await lseek(from.fd, 1000, 0)
    await lseek(to.fd, 5001, 0)
    expect(await copied(from, to, 300_000)).to.equal(300_000)
    bytes.copy(before, 5001, 1000, 301_000)
    const { buffer } = await to.read(Buffer.alloc(MIB), 0, MIB, 0)
    expect(buffer.equals(before), 'through the descriptor').to.equal(true)
    await Promise.all([from.close(), to.close()])
    expect((await readFile(join(dir, 'to'))).equals(before)).to.equal(true)
  },
  'copy_file_range beyond the end of the target leaves a gap of zeros': async (dir) => {
    const [from, to] = await both(dir, Buffer.from('copied'))
    await to.write('begin')
    await lseek(to.fd, 10, 0)
    expect(await copied(from, to, 6)).to.equal(6)
    expect((await to.stat()).size).to.equal(16)
    await Promise.all([from.close(), to.close()])
    expect(await readFile(join(dir, 'to'), 'latin1')).to.equal('begin\0\0\0\0\0copied')
  },
  'copy_file_range is short at the end of the source, and 0 beyond': async (dir) => {
    const [from, to] = await both(dir, Buffer.from('0123456789'))
    await lseek(from.fd, 6, 0)
    expect(await copy_file_range(from.fd, to.fd, 100)).to.equal(4)
    expect(await copy_file_range(from.fd, to.fd, 100)).to.equal(0)
    await lseek(from.fd, 4096, 0)
    expect(await copy_file_range(from.fd, to.fd, 100)).to.equal(0)
    await Promise.all([from.close(), to.close()])
    expect(await readFile(join(dir, 'to'), 'utf8')).to.equal('6789')
  },
  'copy_file_range copies within one file': async (dir) => {
    const bytes = randomBytes(400_000)
    await writeFile(join(dir, 'a'), bytes)
    const [from, to] = [await open(join(dir, 'a'), 'r'), await open(join(dir, 'a'), 'r+')]
    await lseek(to.fd, 200_000, 0)
    expect(await copied(from, to, 200_000)).to.equal(200_000)
    await Promise.all([from.close(), to.close()])
    const half = bytes.subarray(0, 200_000)
    expect((await readFile(join(dir, 'a'))).equals(Buffer.concat([half, half]))).to.equal(true)
  },
  'copy_file_range of overlapping ranges of one file is EINVAL': async (dir) => {
    await writeFile(join(dir, 'a'), randomBytes(10_000))
    const [from, to] = [await open(join(dir, 'a'), 'r'), await open(join(dir, 'a'), 'r+')]
    await lseek(to.fd, 5000, 0)
    await fails('EINVAL', copy_file_range(from.fd, to.fd, 5001))
    await Promise.all([from.close(), to.close()])
  },
  'copy_file_range takes unsent bytes of both files': async (dir) => {
    const [from, to] = [await open(join(dir, 'a'), 'w+'), await open(join(dir, 'b'), 'w+')]
    await from.write('fresh source', 0)
    await to.write('fresh target here', 0)
    await lseek(from.fd, 0, 0)
    await lseek(to.fd, 6, 0)
    expect(await copied(from, to, 5)).to.equal(5)
    await to.write('HERE', 13)
    expect(String((await to.read(Buffer.alloc(17), 0, 17, 0)).buffer)).to.equal('fresh fresht HERE')
    await Promise.all([from.close(), to.close()])
    expect(await readFile(join(dir, 'b'), 'utf8')).to.equal('fresh fresht HERE')
  },
  'copy_file_range into an O_APPEND or O_RDONLY descriptor is EBADF': async (dir) => {
    await writeFile(join(dir, 'a'), 'source')
    const from = await open(join(dir, 'a'), 'r')
    const [append, readOnly] = [await open(join(dir, 'b'), 'a'), await open(join(dir, 'b'), 'r')]
    await fails('EBADF', copy_file_range(from.fd, append.fd, 6))
    await fails('EBADF', copy_file_range(from.fd, readOnly.fd, 6))
    await Promise.all([from.close(), append.close(), readOnly.close()])
  },

  'a punched hole keeps the size, reads as zeros and takes no room': async (dir) => {
    const bytes = randomBytes(4 * MIB)
    const file = await open(join(dir, 'a'), 'w+')
    await file.write(bytes)
    await file.sync()
    const before = await room(join(dir, 'a'))
    await fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, 2 * MIB)
    bytes.fill(0, MIB, 3 * MIB)
    const { buffer } = await file.read(Buffer.alloc(4 * MIB), 0, 4 * MIB, 0)
    expect(buffer.equals(bytes), 'through the descriptor').to.equal(true)
    expect(await lseek(file.fd, 0, SEEK_HOLE)).to.equal(MIB)
    expect(await lseek(file.fd, 2 * MIB, SEEK_DATA)).to.equal(3 * MIB)
    await file.close()
    expect((await stat(join(dir, 'a'))).size).to.equal(4 * MIB)
    expect(before - (await room(join(dir, 'a')))).to.be.at.least(2 * MIB - STEP)
    expect((await readFile(join(dir, 'a'))).equals(bytes)).to.equal(true)
  },
  'a punched hole beyond the end changes nothing': async (dir) => {
    await writeFile(join(dir, 'a'), 'kept')
    const file = await open(join(dir, 'a'), 'r+')
    await fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4, MIB)
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('kept')
  },
  'a punched hole takes what was written and not yet sent': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.write(Buffer.alloc(MIB, 'x'))
    await fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, MIB - 2)
    await file.write('y', 1000)
    await file.close()
    const expected = Buffer.alloc(MIB)
    for (const [at, letter] of [
      [0, 'x'],
      [1000, 'y'],
      [MIB - 1, 'x'],
    ] as const)
      expected.write(letter, at)
    expect((await readFile(join(dir, 'a'))).equals(expected)).to.equal(true)
  },
  'FALLOC_FL_ZERO_RANGE makes zeros and, unless told to keep it, the size': async (dir) => {
    for (const [name, length] of [
      ['short', 20_000],
      ['long', MIB],
    ] as const) {
      await writeFile(join(dir, name), Buffer.alloc(length, 'x'))
      const file = await open(join(dir, name), 'r+')
      await fallocate(file.fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 1000, 2 * length)
      expect((await file.stat()).size).to.equal(length)
      await fallocate(file.fd, FALLOC_FL_ZERO_RANGE, 900, length)
      await file.close()
      const expected = Buffer.alloc(length + 900)
      expected.fill('x', 0, 900)
      expect((await readFile(join(dir, name))).equals(expected), name).to.equal(true)
    }
  },
}
