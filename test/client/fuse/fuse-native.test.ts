import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { FUSE_NATIVE_LIMITS, fuseNative } from '../../../client/fuse/fuse-native.js'
import { MemoryMount, noFuse } from './memory-mount.js'
import { operations } from './operations.js'

/** What its limits rule out. */
const BEYOND: ReadonlySet<string> = new Set([
  'setattr: times in nanoseconds, before 1970 and after 2038',
  'setattr: UTIME_OMIT leaves one time, UTIME_NOW sets the other',
  'symlink and readlink: the target as given, times of its own',
  'unlink: a directory is refused, an open file stays usable',
  'rename2: RENAME_NOREPLACE and RENAME_EXCHANGE',
  'write: beyond 2^53 is EFBIG',
  'xattrs: sizes, ERANGE, XATTR_CREATE, XATTR_REPLACE, list, remove',
  'fallocate: grows, keeps the size, punches holes',
  'lseek: SEEK_DATA, SEEK_HOLE, ENXIO',
])

const reasonToSkip = (): string | undefined => {
  const reason = noFuse()
  if (reason !== undefined) return reason
  try {
    fuseNative()
    return undefined
  } catch (error) {
    return `SKIPPED: ${error instanceof Error ? error.message : error}`
  }
}

describe('the second binding, fuse-native', () => {
  let mount: MemoryMount | undefined

  before(async function () {
    const reason = reasonToSkip()
    if (reason !== undefined) {
      console.warn(reason)
      this.skip()
    }
    mount = await MemoryMount.start({ binding: 'fuse-native' })
  })

  after(async () => {
    await mount?.stop()
  })

  for (const [name, test] of Object.entries(operations)) {
    if (BEYOND.has(name)) continue
    it(name, () => {
      const dir = fs.mkdtempSync(join(mount?.directory ?? '', 'case-'))
      try {
        test(dir)
      } finally {
        fs.rmSync(dir, { recursive: true })
      }
    })
  }

  it('gives back every reference and every handle', async () => {
    expect(fs.readdirSync(mount?.directory ?? '')).to.deep.equal([])
    const left = await mount?.ask<{ ino: number; references: number; opened: number }[]>({
      kind: 'inodes',
    })
    expect(left).to.have.length(1)
    expect(left?.[0]).to.include({ ino: 1, references: 0, opened: 0 })
  })

  it('leaves out only cases that exist', () => {
    expect(Object.keys(operations)).to.include.members([...BEYOND])
  })

  it('ends when somebody else unmounts', async () => {
    const other = await MemoryMount.start({ binding: 'fuse-native' })
    execFileSync('fusermount3', ['-u', other.directory])
    expect(await other.exited).to.equal(0)
    fs.rmdirSync(other.directory)
  })

  it('has its limits written down', async () => {
    const page = await readFile(new URL('../../../docs/fuse.md', import.meta.url), 'utf8')
    for (const limit of FUSE_NATIVE_LIMITS) expect(page).to.include(limit)
  })
})
