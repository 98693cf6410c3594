import { randomBytes } from 'node:crypto'
import { open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import {
  copy_file_range,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  fallocate,
  lseek,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  SEEK_DATA,
  SEEK_HOLE,
} from './libc.js'

/** mmap(2), msync(2), fallocate(2), lseek(2), copy_file_range(2) */
export const memoryCases: Cases = {
  'mmap reads a file': async (dir) => {
    await writeFile(join(dir, 'a'), 'mapped content')
    const file = await open(join(dir, 'a'), 'r+')
    const mapping = await mmap(file.fd, 14, MAP_PRIVATE)
    expect(mapping.read(14).toString()).to.equal('mapped content')
    mapping.munmap()
    await file.close()
  },
  'mmap shared writes arrive in the file': async (dir) => {
    await writeFile(join(dir, 'a'), Buffer.alloc(8192, '.'))
    const file = await open(join(dir, 'a'), 'r+')
    const mapping = await mmap(file.fd, 8192, MAP_SHARED)
    mapping.write('written through memory')
    mapping.msync()
    mapping.munmap()
    await file.close()
    expect((await readFile(join(dir, 'a'), 'utf8')).slice(0, 24)).to.equal(
      'written through memory..',
    )
  },
  'mmap shared writes arrive without msync': async (dir) => {
    await writeFile(join(dir, 'a'), Buffer.alloc(4096, '.'))
    const file = await open(join(dir, 'a'), 'r+')
    const mapping = await mmap(file.fd, 4096, MAP_SHARED)
    mapping.write('dirty page')
    mapping.munmap()
    await file.close()
    expect((await readFile(join(dir, 'a'), 'utf8')).slice(0, 11)).to.equal('dirty page.')
  },
  'mmap private writes stay private': async (dir) => {
    await writeFile(join(dir, 'a'), 'original')
    const file = await open(join(dir, 'a'), 'r+')
    const mapping = await mmap(file.fd, 8, MAP_PRIVATE)
    mapping.write('CHANGED!')
    mapping.munmap()
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('original')
  },
  'two mappings of one file see each other': async (dir) => {
    await writeFile(join(dir, 'a'), Buffer.alloc(4096, '.'))
    const [first, second] = [await open(join(dir, 'a'), 'r+'), await open(join(dir, 'a'), 'r+')]
    const mappings = [
      await mmap(first.fd, 4096, MAP_SHARED),
      await mmap(second.fd, 4096, MAP_SHARED),
    ] as const
    mappings[0].write('hello')
    expect(mappings[1].read(5).toString()).to.equal('hello')
    for (const mapping of mappings) mapping.munmap()
    await Promise.all([first.close(), second.close()])
  },
  'a mapping sees what write(2) writes': async (dir) => {
    await writeFile(join(dir, 'a'), Buffer.alloc(4096, '.'))
    const file = await open(join(dir, 'a'), 'r+')
    const mapping = await mmap(file.fd, 4096, MAP_SHARED)
    await file.write('written', 0)
    expect(mapping.read(7).toString()).to.equal('written')
    mapping.munmap()
    await file.close()
  },
  'the rest of the last page is not part of the file': async (dir) => {
    await writeFile(join(dir, 'a'), 'abc')
    const file = await open(join(dir, 'a'), 'r+')
    const mapping = await mmap(file.fd, 4096, MAP_SHARED)
    mapping.write('ABCDEF')
    mapping.munmap()
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('ABC')
  },
  'fallocate makes a file longer': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await fallocate(file.fd, 0, 0, 100_000)
    expect((await file.stat()).size).to.equal(100_000)
    await file.close()
    expect((await readFile(join(dir, 'a'))).every((byte) => byte === 0)).to.equal(true)
  },
  'fallocate keeps what is there': async (dir) => {
    await writeFile(join(dir, 'a'), 'kept')
    const file = await open(join(dir, 'a'), 'r+')
    await fallocate(file.fd, 0, 0, 2)
    await file.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).to.equal('kept')
  },
  'FALLOC_FL_KEEP_SIZE keeps the size': async (dir) => {
    await writeFile(join(dir, 'a'), 'kept')
    const file = await open(join(dir, 'a'), 'r+')
    await fallocate(file.fd, FALLOC_FL_KEEP_SIZE, 0, 100_000)
    await file.close()
    expect((await stat(join(dir, 'a'))).size).to.equal(4)
  },
  'FALLOC_FL_PUNCH_HOLE makes zeros': async (dir) => {
    await writeFile(join(dir, 'a'), Buffer.alloc(20_000, 'x'))
    const file = await open(join(dir, 'a'), 'r+')
    await fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192)
    await file.close()
    const bytes = await readFile(join(dir, 'a'))
    expect(bytes).to.have.length(20_000)
    expect(bytes.subarray(4096, 12_288).every((byte) => byte === 0)).to.equal(true)
    expect(bytes.subarray(0, 4096).every((byte) => byte === 0x78)).to.equal(true)
    expect(bytes.subarray(12_288).every((byte) => byte === 0x78)).to.equal(true)
  },
  'SEEK_DATA and SEEK_HOLE agree with the content': async (dir) => {
    await writeFile(join(dir, 'a'), 'data')
    const file = await open(join(dir, 'a'), 'r+')
    expect(await lseek(file.fd, 0, SEEK_DATA)).to.equal(0)
    expect(await lseek(file.fd, 0, SEEK_HOLE)).to.equal(4)
    await file.close()
  },
  'SEEK_DATA finds what was written through memory into a hole': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.truncate(1 << 20)
    const mapping = await mmap(file.fd, 1 << 20, MAP_SHARED)
    expect(mapping.read(1).toString()).to.equal('\0')
    mapping.write('dirty page')
    expect(await lseek(file.fd, 0, SEEK_DATA)).to.equal(0)
    mapping.munmap()
    await file.close()
  },
  'SEEK_DATA beyond the end is ENXIO': async (dir) => {
    await writeFile(join(dir, 'a'), 'data')
    const file = await open(join(dir, 'a'), 'r')
    await fails('ENXIO', lseek(file.fd, 10, SEEK_DATA))
    await file.close()
  },
  'SEEK_DATA finds all the data of a sparse file': async (dir) => {
    const file = await open(join(dir, 'a'), 'w+')
    await file.write('end', 2 ** 20)
    await file.sync()
    const data = await lseek(file.fd, 0, SEEK_DATA)
    expect(data).to.be.at.most(2 ** 20)
    await file.close()
  },
  'copy_file_range copies': async (dir) => {
    const bytes = randomBytes(400_000)
    await writeFile(join(dir, 'a'), bytes)
    const [from, to] = [await open(join(dir, 'a'), 'r'), await open(join(dir, 'b'), 'w')]
    for (let copied = 0; copied < bytes.length; )
      copied += await copy_file_range(from.fd, to.fd, bytes.length - copied)
    expect(await copy_file_range(from.fd, to.fd, 10)).to.equal(0)
    await Promise.all([from.close(), to.close()])
    expect((await readFile(join(dir, 'b'))).equals(bytes)).to.equal(true)
  },
  'copy_file_range takes what was written and not yet sent': async (dir) => {
    const from = await open(join(dir, 'a'), 'w+')
    await from.write('fresh bytes', 0)
    const source = await open(join(dir, 'a'), 'r')
    const to = await open(join(dir, 'b'), 'w')
    expect(await copy_file_range(source.fd, to.fd, 11)).to.equal(11)
    await Promise.all([from.close(), source.close(), to.close()])
    expect(await readFile(join(dir, 'b'), 'utf8')).to.equal('fresh bytes')
  },
}
